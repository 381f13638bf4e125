// What the page can do beyond being read: a crosshair on all charts at once, policies shown or hidden, and the decision
// in force at a point of a chart. Without it nothing is missing but these.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("readings").textContent);
  const plots = Array.from(document.querySelectorAll(".plot"));
  const opened = Array.from(document.querySelectorAll(".decisions details[data-at]"));
  let place = Math.floor(data.steps / 2);
  document.documentElement.classList.add("scripts");

  function pad(number) { return String(number).padStart(2, "0"); }

  function clock(seconds) {
    if (data.start !== null) {
      return new Date((data.start + seconds) * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
    }
    const minutes = Math.floor(seconds / 60);
    return Math.floor(minutes / 60) + ":" + pad(minutes % 60) + " h";
  }

  function unknown(seconds) {
    const middle = seconds + data.step / 2;
    return data.gaps.some(function (gap) { return gap[0] <= middle && gap[1] > middle; });
  }

  function hidden(entrant) {
    const button = document.querySelector('[data-toggle="' + entrant + '"]');
    return entrant !== null && button !== null && button.getAttribute("aria-pressed") === "false";
  }

  function reading(chart) {
    const at = place * data.step;
    if (unknown(at)) { return clock(at) + " · unknown"; }
    const said = chart.lines.filter(function (line) { return !hidden(line.entrant); }).map(function (line) {
      const value = line.values[place];
      return line.name + " " + (value === null || value === undefined ? chart.absent : value);
    });
    return [clock(at)].concat(said).join(" · ") + " " + chart.unit;
  }

  function show() {
    const across = ((place + 0.5) / data.steps * 100).toFixed(3) + "%";
    plots.forEach(function (plot) {
      const cross = plot.querySelector(".cross");
      cross.setAttribute("x1", across);
      cross.setAttribute("x2", across);
      cross.classList.add("on");
      const key = plot.dataset.chart;
      document.querySelector('[data-for="' + key + '"]').textContent = reading(data.charts[key]);
    });
  }

  function move(to) {
    place = Math.max(0, Math.min(Math.ceil(data.steps) - 1, to));
    show();
  }

  function pointed(plot, event) {
    const box = plot.getBoundingClientRect();
    move(Math.floor((event.clientX - box.left) / box.width * data.steps));
  }

  // The latest decision that was taken by the end of the step pointed at.
  function open() {
    const end = (place + 1) * data.step;
    const before = opened.filter(function (one) { return !(Number(one.dataset.at) > end); });
    const chosen = before[before.length - 1] || opened[0];
    if (chosen === undefined) { return; }
    document.querySelectorAll(".found").forEach(function (one) { one.classList.remove("found"); });
    for (let one = chosen; one !== null; one = one.parentElement.closest("details")) { one.open = true; }
    chosen.classList.add("found");
    chosen.querySelector("summary").focus({ preventScroll: true });
    chosen.scrollIntoView({ block: "center" });
  }

  const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };
  plots.forEach(function (plot) {
    plot.addEventListener("pointermove", function (event) { pointed(plot, event); });
    plot.addEventListener("click", function (event) { pointed(plot, event); open(); });
    plot.addEventListener("focus", show);
    plot.addEventListener("keydown", function (event) {
      if (event.key === "Enter") { open(); }
      else if (moves[event.key] !== undefined) { move(place + moves[event.key]); }
      else { return; }
      event.preventDefault();
    });
  });

  document.querySelectorAll("[data-toggle]").forEach(function (button) {
    button.addEventListener("click", function () {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      document.querySelectorAll('[data-entrant="' + button.dataset.toggle + '"]').forEach(function (one) {
        one.classList.toggle("off", !shown);
      });
      if (document.querySelector(".cross.on") !== null) { show(); }
    });
  });
})();
