// The answers of the engines: in words, as times, and as bars.

const NAMES = ["server", "browser"];
const MOST_BARS = 20;

// The best class and its probability of an answer; null where there is none.
function best(answer) {
  if (!answer?.probabilities) return null;
  const probability = Math.max(...answer.probabilities);
  return { number: answer.probabilities.indexOf(probability), probability };
}

export function showAnswers(state, engines, words, table) {
  const label = ({ number }) => state.choice.labels[number] ?? `${number}`;
  const inWords = (top) => `${label(top)}, ${(top.probability * 100).toFixed(1)} %`;
  const tops = engines.map((name) => best(state.answers[name])).filter(Boolean);
  let text = "Draw something.";
  if (tops.length && tops.every(({ number }) => number === tops[0].number)) {
    text = inWords(tops[0]);
  } else if (tops.length) {
    text = engines.map((name) => `${name}: ${inWords(best(state.answers[name]))}`).join("; ");
  } else if (state.pixels) {
    text = "…";
  }
  if (tops.length) text = withDoubt(state, tops[0], text);
  if (words.textContent !== text) words.textContent = text; // Else it would be read out again.
  for (const name of NAMES) {
    const row = table.querySelector(`tr.${name}`);
    row.classList.toggle("off", !engines.includes(name));
    const answer = engines.includes(name) ? state.answers[name] : null;
    row.cells[1].textContent = best(answer) ? inWords(best(answer)) : "–";
    row.cells[2].textContent = best(answer) ? `${answer.milliseconds.toFixed(1)} ms` : "–";
  }
}

// The answer, or why there is none: what the server has seen in the picture, or that the model is
// not sure. The words are those of `digitline predict`.
function withDoubt({ choice, seen, words }, top, text) {
  if (seen === "blank") return capital(words.blank);
  if (seen === "several_digits") return `${capital(words.several_digits)}; as one: ${text}`;
  const isUnsure = choice.threshold !== null && top.probability < choice.threshold;
  return isUnsure ? `${capital(words.not_sure)}; perhaps ${text}` : text;
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);

export function showBars(state, engines, table) {
  const body = table.tBodies[0];
  const answers = engines.map((name) => state.answers[name]?.probabilities).filter(Boolean);
  const count = answers[0]?.length ?? state.choice?.labels.length ?? 0;
  let order = Array.from({ length: count }, (_, number) => number);
  if (count > MOST_BARS && answers.length) { // Of many classes, the best.
    order.sort((one, other) => answers[0][other] - answers[0][one]);
  }
  order = order.slice(0, MOST_BARS);
  while (body.rows.length > order.length) body.deleteRow(-1);
  while (body.rows.length < order.length) addRow(body);
  const top = best({ probabilities: answers[0] })?.number;
  order.forEach((number, index) => {
    const row = body.rows[index];
    row.cells[0].textContent = state.choice.labels[number] ?? `${number}`;
    row.cells[0].title = row.cells[0].textContent; // It may be cut.
    row.classList.toggle("best", number === top);
    NAMES.forEach((name, index) => {
      const bar = row.cells[1].children[index];
      const share = state.answers[name]?.probabilities?.[number];
      bar.hidden = !engines.includes(name);
      bar.querySelector("rect").setAttribute("width", share ?? 0);
      bar.querySelector("span").textContent = share === undefined ? "" : (share * 100).toFixed(1);
    });
  });
}

function addRow(body) {
  const bars = NAMES.map((name) => `<div class="bar ${name}" title="${name}">
    <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true"><rect height="1"/></svg>
    <b class="unseen">${name}</b><span></span></div>`);
  body.insertRow().innerHTML = `<th scope="row"></th><td>${bars.join("")}</td>`;
}
