"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const T = D.rewards.length;                      // steps; the frame after the last one has number T
const by = (id) => document.getElementById(id);
const make = (tag, kind, text) => {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
};
const short = (x) => x === null ? "–" : Math.abs(x) >= 1000 ? x.toFixed(0) : Math.abs(x) >= 100 ? x.toFixed(1) : x.toFixed(Math.abs(x) >= 10 ? 2 : 3);
const whole = (x) => String(Math.round(x * 100) / 100);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
const returns = [0];                             // before each step, and at the end
for (const reward of D.rewards) returns.push(returns[returns.length - 1] + reward);
let now = 0, isPlaying = false, lastTouch = -1e9;

// Pictures: kept as elements, so that what was shown once is there at once.
const kept = new Map();
function picture(uri) {
  if (!kept.has(uri)) { const image = new Image(); image.src = uri; kept.set(uri, image); }
  return kept.get(uri);
}
function paint(canvas, uris, step, isDim) {
  const images = uris.map(picture);
  const draw = () => {
    if (now !== step || !images.every((one) => one.complete && one.naturalWidth)) return;
    const [below, above] = images, g = canvas.getContext("2d");
    if (canvas.id === "frame") requestAnimationFrame(() => showCells(step));
    if (canvas.width !== below.naturalWidth || canvas.height !== below.naturalHeight) {
      canvas.width = below.naturalWidth; canvas.height = below.naturalHeight;
      const ratio = canvas.width / canvas.height;
      canvas.style.width = `min(100%, ${44 * ratio}rem, ${72 * ratio}vh)`;
    }
    g.globalCompositeOperation = "source-over"; g.imageSmoothingEnabled = true;
    g.drawImage(below, 0, 0);
    if (!above) return;
    if (isDim) { g.fillStyle = "rgba(0,0,0,0.45)"; g.fillRect(0, 0, canvas.width, canvas.height); }
    g.globalCompositeOperation = "screen";
    g.drawImage(above, 0, 0, canvas.width, canvas.height);
  };
  for (const image of images) if (!image.complete) image.addEventListener("load", draw, { once: true });
  draw();
}

// Bars: a block for each quantity, a row for each option; and a row for each continuous number.
const blocks = D.bars.map((bar, index) => {
  const block = make("div", "block"), title = make("h2", "", bar.name + " ");
  if (!bar.isShare) title.append(make("small", "", "bars begin at the least of the step"));
  block.append(title);
  const rows = D.actions.map((name) => {
    const row = make("div", "row"), track = make("div", "track"), fill = make("i"), number = make("span", "number");
    fill.style.setProperty("--c", `var(--c${index % 4})`);
    track.append(fill);
    row.append(make("span", "name", name), track, number);
    block.append(row);
    return { row, fill, number };
  });
  by("bars").append(block);
  return rows;
});
const dials = D.gaussian === null ? [] : D.gaussian.names.map((name) => {
  const row = make("div", "row"), track = make("div", "track"), band = make("i"), mark = make("b"), number = make("span", "number");
  track.append(band, mark);
  row.append(make("span", "name", name), track, number);
  return { row, band, mark, number };
});
if (dials.length) {
  const block = make("div", "block"), title = make("h2", "", "Policy ");
  title.append(make("small", "", "band: mean ± standard deviation; mark: the action taken; number: mean"));
  block.append(title, ...dials.map((dial) => dial.row));
  by("bars").append(block);
}
const MOST_ROWS = 24;                            // of more actions, the largest are shown
function largest(numbers) {
  if (D.actions.length <= MOST_ROWS) return null;
  if (!numbers.length) return D.actions.slice(0, MOST_ROWS / 2).map((_, action) => action);
  return numbers.map((value, action) => [value === null ? -Infinity : value, action]).sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .slice(0, MOST_ROWS / 2).map((pair) => pair[1]);
}
function showBars(step) {
  const isEnd = step >= T;
  D.bars.forEach((bar, index) => {
    const numbers = isEnd ? [] : bar.numbers[step], least = bar.isShare ? 0 : Math.min(...numbers);
    const order = largest(numbers);
    blocks[index].forEach(({ row, fill, number }, action) => {
      const rank = order === null ? action : order.indexOf(action);
      row.hidden = rank < 0; row.style.order = rank;
      const value = isEnd ? null : numbers[action];
      fill.style.width = value === null ? "0" : `${100 * Math.min(Math.max((value - least) / bar.gap, bar.isShare ? 0 : 0.01), 1)}%`;
      number.textContent = short(value);
      row.classList.toggle("taken", !isEnd && D.taken[step].includes(action));
    });
  });
  dials.forEach(({ band, mark, number }, index) => {
    const g = D.gaussian, low = g.low[index], range = Math.max(g.high[index] - low, 1e-9);
    const place = (x) => 100 * Math.min(Math.max((x - low) / range, 0), 1);
    const mean = isEnd ? null : g.mean[step][index], std = isEnd ? 0 : g.std[step][index];
    band.style.left = `${mean === null ? 0 : place(mean - std)}%`;
    band.style.width = `${mean === null ? 0 : Math.max(place(mean + std) - place(mean - std), 0.5)}%`;
    mark.style.left = isEnd ? "-9px" : `calc(${place(g.taken[step][index])}% - 1.5px)`;
    number.textContent = short(mean);
  });
}

// On a board: the first share of each action in the action's own cell.
const shares = D.board && D.bars.find((bar) => bar.isShare);
const LEAST_SHARE = 0.005;                       // that is drawn
function showCells(step) {
  const canvas = by("cells"), frame = by("frame");
  if (!shares || now !== step) return;
  Object.assign(canvas.style, { left: `${frame.offsetLeft}px`, top: `${frame.offsetTop}px`, width: `${frame.clientWidth}px`, height: `${frame.clientHeight}px` });
  const { g, width, height } = fit(canvas), side = Math.min(width / D.board.columns, height / D.board.rows);
  if (step >= T) return;
  g.textAlign = "center"; g.textBaseline = "middle"; g.font = `600 ${Math.max(9, 0.26 * side)}px system-ui, sans-serif`;
  D.board.cells.forEach((cell, action) => {
    const share = shares.numbers[step][action];
    if (cell === null || share === null || share < LEAST_SHARE) return;
    const x = (cell[1] + 0.5) * width / D.board.columns, y = (cell[0] + 0.5) * height / D.board.rows;
    g.beginPath(); g.arc(x, y, side * (0.12 + 0.33 * Math.sqrt(share)), 0, 7);
    g.fillStyle = "rgba(0,80,160,0.5)"; g.fill();
    if (D.taken[step].includes(action)) { g.strokeStyle = "#d41f1f"; g.lineWidth = Math.max(2, side / 24); g.stroke(); }
    if (side < 22) return;
    g.fillStyle = "#ffffff"; g.fillText(Math.round(100 * share), x, y + 1);
  });
}

// Canvases in their own pixels.
function fit(canvas) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = `${Math.max(12, 0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize))}px system-ui, sans-serif`;
  return { g, width, height };
}
const PAD = { left: 52, right: 10, top: 8, bottom: 20 };
function axes(g, width, height, low, high, xs, hasLabels = true) {
  const x = (t) => PAD.left + (t - xs[0]) / Math.max(xs[1] - xs[0], 1e-9) * (width - PAD.left - PAD.right);
  const y = (v) => height - PAD.bottom - (v - low) / (high - low) * (height - PAD.top - PAD.bottom);
  g.strokeStyle = colour("--line"); g.fillStyle = colour("--quiet"); g.lineWidth = 1;
  const up = ticks(low, high, height < 130 ? 3 : 4);
  for (const v of up) {
    g.beginPath(); g.moveTo(PAD.left, y(v)); g.lineTo(width - PAD.right, y(v)); g.stroke();
    g.textAlign = "right"; g.textBaseline = "middle";
    if (hasLabels) g.fillText(label(v, up), PAD.left - 6, y(v));
  }
  g.textBaseline = "top";
  const along = ticks(xs[0], xs[1], width < 500 ? 4 : 8).filter((t) => x(t) <= width - PAD.right + 1);
  for (const t of along) {
    g.textAlign = x(t) > width - 30 ? "right" : "center";
    g.fillText(label(t, along), x(t), height - PAD.bottom + 4);
  }
  return { x, y };
}
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find((k) => k * power >= raw) * power;
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * step; v += step) found.push(Math.abs(v) < step / 1e6 ? 0 : v);
  return found;
}
const digits = (places) => places.length < 2 ? (Number.isInteger(places[0]) ? 0 : 2) : Math.max(0, -Math.floor(Math.log10(places[1] - places[0]) + 1e-9));
const label = (v, places) => digits(places) > 3 && v ? v.toExponential(0) : v.toFixed(Math.min(digits(places), 3));
function rangeOf(series) {
  let low = Infinity, high = -Infinity;
  for (const numbers of series) for (const v of numbers) if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
  if (!(low <= high)) return [0, 1];
  const margin = high - low > 1e-6 * Math.max(1, Math.abs(high)) ? (high - low) * 0.06 : Math.max(0.5, Math.abs(high) / 2);
  return [low - margin, high + margin];
}
function line(g, numbers, x, y, name, width, isStairs) {
  g.strokeStyle = colour(name); g.lineWidth = width; g.lineJoin = "round"; g.beginPath();
  let isOpen = false;
  numbers.forEach((v, t) => {
    if (v === null) { isOpen = false; return; }
    if (isOpen && isStairs) g.lineTo(x(t), y(numbers[t - 1]));
    isOpen ? g.lineTo(x(t), y(v)) : g.moveTo(x(t), y(v));
    isOpen = true;
  });
  g.stroke();
}
function chart(id, series, isStairs) {
  const canvas = by(id).querySelector("canvas"), { g, width, height } = fit(canvas);
  const [low, high] = rangeOf(series.map((one) => one.numbers));
  const { x, y } = axes(g, width, height, low, high, [0, T]);
  if (!isDense) D.rewards.forEach((reward, t) => {
    if (!reward || (Math.abs(reward) < 1e-9)) return;
    g.fillStyle = colour(reward > 0 ? "--good" : "--bad");
    isStairs ? g.fillRect(x(t + 1) - 1, height - PAD.bottom - 8, 2, 8) : g.fillRect(x(t + 1) - 0.5, PAD.top, 1, height - PAD.top - PAD.bottom);
  });
  series.forEach((one, index) => line(g, one.numbers, x, y, `--c${index}`, T > 600 ? 1.3 : 2, isStairs));
  g.fillStyle = colour("--ink"); g.fillRect(x(now) - 0.75, PAD.top - 4, 1.5, height - PAD.top - PAD.bottom + 8);
  series.forEach((one, index) => {
    const v = one.numbers[now];
    if (v === undefined || v === null) return;
    g.fillStyle = colour(`--c${index}`); g.beginPath(); g.arc(x(now), y(v), 4.5, 0, 7); g.fill();
  });
}
const isDense = D.rewards.filter((reward) => reward).length > T / 4;
function scrubOn(id) {
  const canvas = by(id).querySelector("canvas");
  const to = (event) => {
    const box = canvas.getBoundingClientRect();
    go(Math.round((event.clientX - box.left - PAD.left) / (box.width - PAD.left - PAD.right) * T));
  };
  canvas.addEventListener("pointerdown", (event) => { pause(); canvas.setPointerCapture(event.pointerId); to(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) to(event); });
}

// The distribution of returns: bytes [T, A, S].
const bytes = D.distribution && Uint8Array.from(atob(D.distribution.probs), (c) => c.charCodeAt(0));
function showDistribution(step) {
  if (!bytes) return;
  const points = D.distribution.points, S = points.length, A = D.actions.length;
  const { g, width, height } = fit(by("distribution").querySelector("canvas"));
  const { x, y } = axes(g, width, height, 0, 270, [points[0], points[S - 1]], false);
  if (step >= T) return;
  const q = D.bars.find((bar) => !bar.isShare), best = q ? q.numbers[step].indexOf(Math.max(...q.numbers[step])) : 0;
  for (let action = 0; action < A; action++) {
    const start = (step * A + action) * S, values = bytes.subarray(start, start + S);
    g.beginPath(); g.moveTo(x(points[0]), y(0));
    for (let s = 0; s < S; s++) g.lineTo(x(points[s]), y(values[s]));
    g.lineTo(x(points[S - 1]), y(0));
    if (action === best) { g.fillStyle = colour("--c0"); g.globalAlpha = 0.35; g.fill(); g.globalAlpha = 1; }
    g.strokeStyle = colour(action === best ? "--c0" : "--quiet"); g.lineWidth = action === best ? 2 : 0.8; g.stroke();
  }
}

const sheetSteps = Object.keys(D.sheets).map(Number);
function show() {
  const step = now, isEnd = step >= T, at = Math.min(step, T - 1), isOver = by("overlay").checked;
  const overlay = !isEnd && isOver && D.heat.length ? [D.heat[step]] : [];
  paint(by("frame"), [D.frames[step], ...(D.isSameScene ? overlay : [])], step, true);
  if (D.seen.length) paint(by("seen").querySelector("canvas"), [D.seen[at], ...(D.heat.length ? [D.heat[at]] : [])], step, true);
  if (sheetSteps.length) {
    const shown = sheetSteps.reduce((best, one) => one <= at ? one : best, 0);
    by("sheet").querySelector("img").src = D.sheets[shown];
    by("sheet").querySelector("figcaption").textContent = `Activations of the first layer at step ${shown}, a picture for each filter, before normalisation and rectifier`;
  }
  showBars(step);
  showDistribution(step);
  if (D.curves.length) chart("value", D.curves, false);
  chart("return", [{ numbers: returns }], true);
  const reward = step > 0 ? D.rewards[step - 1] : 0, numbers = by("numbers");
  numbers.replaceChildren();
  const add = (name, text, kind) => { const one = make("div"); one.append(make("dt", "", name), make("dd", kind, text)); numbers.append(one); };
  add("return so far", whole(returns[step]));
  add("reward", reward ? whole(reward) : "0", reward > 0 ? "good" : reward < 0 ? "bad" : "");
  for (const curve of D.curves) add(curve.name, isEnd ? "–" : short(curve.numbers[step]));
  by("slider").value = step;
  by("step").textContent = isEnd && D.isOver ? `${step} (end)` : `${step} of ${T}`;
  for (let ahead = 1; ahead <= 4 && step + ahead <= T; ahead++) picture(D.frames[step + ahead]);
}
function go(step) {
  now = Math.min(Math.max(step || 0, 0), T);
  show();
  clearTimeout(go.later);
  go.later = setTimeout(() => history.replaceState(null, "", `#${now}`), 300);
}
let before = 0, owed = 0;
function tick(time) {
  if (!isPlaying) return;
  owed += (time - before) / 1000 * D.fps * Number(by("speed").value);
  before = time;
  const steps = Math.floor(owed);
  owed -= steps;
  if (steps) go(now + steps);
  now >= T ? pause() : requestAnimationFrame(tick);
}
function play() {
  if (now >= T) now = 0;
  isPlaying = true; owed = 0; before = performance.now();
  by("play").textContent = "❚❚";
  requestAnimationFrame(tick);
}
function pause() { isPlaying = false; by("play").textContent = "▶"; lastTouch = performance.now(); }

document.title = by("title").textContent = D.title;
by("facts").textContent = D.facts.join(" · ");
by("slider").max = T;
by("slider").addEventListener("input", (event) => { pause(); go(Number(event.target.value)); });
by("play").addEventListener("click", () => isPlaying ? pause() : play());
by("overlay").addEventListener("change", show);
by("overlay-label").hidden = !(D.heat.length && D.isSameScene);
by("distribution").hidden = !bytes;
by("value").hidden = !D.curves.length;
by("seen").hidden = !D.seen.length;
by("sheet").hidden = !sheetSteps.length;
by("cells").hidden = by("cells-note").hidden = !shares;
if (shares) by("cells-note").textContent = `On the board: ${shares.name} of each move in percent; with a ring, the move that follows`;
by("filters").hidden = D.filters === null;
if (D.filters !== null) by("filters").querySelector("img").src = D.filters;
by("value").querySelector("figcaption").append(...D.curves.flatMap((one, index) => {
  const name = make("b", "", one.name); name.style.color = `var(--c${index})`; return [name, " "];
}), (D.isForTwo ? "of the player to move, " : "") + "at each step, in what the algorithm learns from: discounted rewards, clipped or scaled where the run does so");
if (D.isForTwo) by("return").querySelector("figcaption").textContent = "Return so far of the player who moved first; ticks are rewards";
if (!isDense) by("value").querySelector("figcaption").append("; lines are rewards ", make("span", "good", "won"), " and ", make("span", "bad", "lost"));
if (isDense) by("return").querySelector("figcaption").textContent = "Return so far";
scrubOn("value"); scrubOn("return");
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
  const far = event.shiftKey ? 10 : 1;
  const moves = { ArrowLeft: now - far, ArrowRight: now + far, Home: 0, End: T, PageDown: now + 50, PageUp: now - 50 };
  if (event.key in moves) { pause(); go(moves[event.key]); }
  else if (event.key === " ") isPlaying ? pause() : play();
  else if (event.key === "s" && !by("overlay-label").hidden) { by("overlay").checked = !by("overlay").checked; show(); }
  else return;
  event.preventDefault();
});
window.addEventListener("resize", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
if (D.liveSeconds) setInterval(() => {          // the page may have been written anew
  if (!isPlaying && performance.now() - lastTouch > 1000 * D.liveSeconds) location.reload();
}, 1000 * D.liveSeconds);
go(Number(location.hash.slice(1)));
