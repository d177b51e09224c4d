"use strict";
// A click on a heading sorts its column: downwards first, since more is mostly better, then upwards.
function order(cell) {
  const text = cell.dataset.order ?? cell.textContent.trim();
  const number = Number.parseFloat(text);
  return Number.isNaN(number) ? text.toLowerCase() : number;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? 1 : -1;
  return a.localeCompare(b);
}
function sort(heading) {
  const body = heading.closest("table").tBodies[0];
  const column = heading.cellIndex;
  const text = heading.classList.contains("text");
  const now = heading.getAttribute("aria-sort");
  const next = now === "none" ? (text ? "ascending" : "descending") : now === "ascending" ? "descending" : "ascending";
  for (const other of heading.parentElement.cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", next);
  const sign = next === "ascending" ? 1 : -1;
  const word = (row) => row.cells[column].textContent.trim().toLowerCase();
  const rows = [...body.rows].sort((a, b) =>
    sign * (text ? word(a).localeCompare(word(b)) : compare(order(a.cells[column]), order(b.cells[column]))));
  body.append(...rows);
}
for (const button of document.querySelectorAll("th[aria-sort] button")) {
  button.addEventListener("click", () => sort(button.parentElement));
}
// Paper shows everything.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
