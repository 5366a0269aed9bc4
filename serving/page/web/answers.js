// What the engines say: in words, as times, and as bars.

const NAMES = ["server", "browser"];
const SVG = "http://www.w3.org/2000/svg";
const MOST_BARS = 20;

// The best class and its probability of an answer; null where there is none.
function best(answer) {
  if (!answer?.probabilities) return null;
  const probability = Math.max(...answer.probabilities);
  return { number: answer.probabilities.indexOf(probability), probability };
}

export function showAnswers(state, engines, words, table) {
  const label = (found) => state.choice.labels[found.number] ?? `${found.number}`;
  const said = (found) => `${label(found)}, ${(found.probability * 100).toFixed(1)} %`;
  const found = engines.map((each) => best(state.answers[each])).filter(Boolean);
  let text = "Draw something.";
  if (found.length && found.every((each) => each.number === found[0].number)) {
    text = said(found[0]);
  } else if (found.length) {
    text = engines.map((each) => `${each}: ${said(best(state.answers[each]))}`).join("; ");
  } else if (state.pixels) {
    text = "…";
  }
  if (words.textContent !== text) words.textContent = text; // Else it would be read out again.
  for (const name of NAMES) {
    const row = table.querySelector(`tr.${name}`);
    row.classList.toggle("off", !engines.includes(name));
    const answer = engines.includes(name) ? state.answers[name] : null;
    row.cells[1].textContent = best(answer) ? said(best(answer)) : "–";
    row.cells[2].textContent = best(answer) ? `${answer.milliseconds.toFixed(1)} ms` : "–";
  }
}

export function showBars(state, engines, table) {
  const body = table.tBodies[0];
  const given = engines.map((each) => state.answers[each]?.probabilities).filter(Boolean);
  const count = given[0]?.length ?? state.choice?.labels.length ?? 0;
  let order = Array.from({ length: count }, (_, number) => number);
  if (count > MOST_BARS && given.length) { // Of many classes, the best.
    order.sort((one, other) => given[0][other] - given[0][one]);
  }
  order = order.slice(0, MOST_BARS);
  while (body.rows.length > order.length) body.deleteRow(-1);
  while (body.rows.length < order.length) addRow(body);
  const top = best({ probabilities: given[0] })?.number;
  order.forEach((number, at) => {
    const row = body.rows[at];
    row.cells[0].textContent = state.choice.labels[number] ?? `${number}`;
    row.cells[0].title = row.cells[0].textContent; // It may be cut.
    row.classList.toggle("best", number === top);
    NAMES.forEach((name, which) => {
      const bar = row.cells[1].children[which];
      const share = state.answers[name]?.probabilities?.[number];
      bar.hidden = !engines.includes(name);
      bar.querySelector("rect").setAttribute("width", share ?? 0);
      bar.querySelector("span").textContent = share === undefined ? "" : (share * 100).toFixed(1);
    });
  });
}

function addRow(body) {
  const row = body.insertRow();
  const head = document.createElement("th");
  head.scope = "row";
  row.append(head);
  const cell = row.insertCell();
  for (const name of NAMES) {
    const bar = cell.appendChild(document.createElement("div"));
    bar.className = `bar ${name}`;
    bar.title = name;
    const chart = bar.appendChild(document.createElementNS(SVG, "svg"));
    chart.setAttribute("viewBox", "0 0 1 1");
    chart.setAttribute("preserveAspectRatio", "none");
    chart.setAttribute("aria-hidden", "true");
    const rect = chart.appendChild(document.createElementNS(SVG, "rect"));
    rect.setAttribute("height", 1);
    const unseen = bar.appendChild(document.createElement("b"));
    unseen.className = "unseen";
    unseen.textContent = name;
    bar.append(document.createElement("span"));
  }
}
