"use strict";
for (const tools of document.querySelectorAll(".tools")) {
  const table = document.getElementById(tools.dataset.table);
  const controls = [...tools.querySelectorAll("select, input")];
  const shown = tools.querySelector("output");
  const filter = () => {
    let n = 0;
    for (const row of table.querySelectorAll("tbody tr[data-name]")) {
      row.hidden = !controls.every((control) => {
        const wanted = control.value.trim().toLowerCase();
        const has = row.dataset[control.name];
        if (!wanted) return true;
        return control.name === "name" ? has.includes(wanted) : has.split("|").includes(wanted);
      });
      n += !row.hidden;
    }
    for (const group of table.querySelectorAll("tbody")) {
      const head = group.querySelector("tr.head");
      if (head) head.hidden = !group.querySelector("tr[data-name]:not([hidden])");
    }
    shown.textContent = `${n} shown`;
  };
  controls.forEach((control) => control.addEventListener("input", filter));
  filter();
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const value = (row) => row.cells[column].dataset.value;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
}
