/* Draws the chart of a table: stacked bars, a bar for each row, the columns after the first two as its parts. */
(function () {
  "use strict";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let drawn = [];

  function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function short(value) {
    const steps = [[1e9, " G"], [1e6, " M"], [1e3, " k"]];
    for (const [size, word] of steps) { if (value >= size) { return +(value / size).toFixed(1) + word; } }
    return String(+value.toFixed(2));
  }

  function read(table) {
    const heads = Array.from(table.querySelectorAll("thead th")).slice(1).map(function (head) { return head.textContent.trim(); });
    const rows = Array.from(table.tBodies[0].rows).reverse();
    const columns = heads.map(function (_, place) {
      return rows.map(function (row) { return Number(row.querySelectorAll("[data-v]")[place].dataset.v); });
    });
    const names = rows.map(function (row) { return row.cells[0].firstChild.textContent.trim(); });
    return heads.length > 1 ? { heads: heads.slice(1), columns: columns.slice(1), whole: columns[0], names: names }
      : { heads: heads, columns: columns, whole: columns[0], names: names };
  }

  function stacked(columns) {
    const sums = columns[0].map(function () { return 0; });
    return columns.map(function (column) { return column.map(function (value, place) { return sums[place] += value; }); });
  }

  function draw(figure) {
    const table = document.getElementById(figure.dataset.table);
    if (!table || !table.tBodies[0].rows.length) { return; }
    const tip = document.querySelector('[data-tip="' + figure.dataset.table + '"]');
    const data = read(table);
    const tops = stacked(data.columns);
    figure.hidden = false;
    tip.hidden = false;
    const last = data.columns.length - 1;
    const series = tops.map(function (_, place) {
      const which = last - place;
      const fill = which < 5 && (last < 5 || which !== last) ? color("--series-" + (which + 1)) : color("--rest");
      return { label: data.heads[which], fill: fill, stroke: color("--surface"), width: 1, points: { show: false },
        paths: uPlot.paths.bars({ size: [0.7, 40] }) };
    });
    const axis = { stroke: color("--ink-3"), font: "12px system-ui", ticks: { show: false } };
    const plot = new uPlot({
      width: figure.clientWidth, height: 240, legend: { show: false }, select: { show: false },
      cursor: { x: false, y: false, points: { show: false }, drag: { setScale: false } },
      scales: { x: { time: false, range: [-0.6, data.names.length - 0.4] }, y: { range: function (_, low, high) { return [0, high > 0 ? high * 1.1 : 1]; } } },
      axes: [
        Object.assign({ grid: { show: false }, space: 90, incrs: [1, 2, 5, 7, 10, 20, 50, 100],
          values: function (_, places) { return places.map(function (place) { return data.names[place] || ""; }); } }, axis),
        Object.assign({ grid: { stroke: color("--line"), width: 1 }, size: 64,
          values: function (_, values) { return values.map(short); } }, axis),
      ],
      series: [{}].concat(series),
      hooks: { setCursor: [function (u) { tell(u.cursor.idx); }] },
    }, [data.names.map(function (_, place) { return place; })].concat(tops.slice().reverse()), figure);

    function tell(place) {
      if (place === null || place === undefined) { tip.textContent = ""; return; }
      figure.dataset.at = place;
      const cells = table.tBodies[0].rows[data.names.length - 1 - place].cells;
      tip.textContent = data.names[place] + ": " + cells[1].textContent.trim();
    }

    figure.onkeydown = function (event) {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) { return; }
      event.preventDefault();
      const from = figure.dataset.at === undefined ? (step > 0 ? -1 : data.names.length) : Number(figure.dataset.at);
      tell(Math.min(Math.max(from + step, 0), data.names.length - 1));
    };
    drawn.push(plot);
  }

  function all() {
    drawn.forEach(function (plot) { plot.destroy(); });
    drawn = [];
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  document.addEventListener("htmx:afterSwap", all);
  dark.addEventListener("change", all);
  let width = window.innerWidth, waiting = 0;
  window.addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () { if (window.innerWidth !== width) { width = window.innerWidth; all(); } }, 200);
  });
  all();
})();
