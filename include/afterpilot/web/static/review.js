// The review queue by keyboard, and the reservation of the open item. Everything works without it, by links and forms.
"use strict";
(() => {
  const page = document.querySelector("[data-page]");
  if (!page) return;
  const by = (id) => document.getElementById(id);
  const onItem = page.dataset.page === "item";
  const decide = by("decide"), hold = by("hold"), keys = by("keys"), record = by("record");
  let leaving = false; // a form of ours is on its way: the server knows what becomes of the reservation

  const submit = (id) => { const form = by(id); if (form && !leaving) form.requestSubmit(); };
  document.addEventListener("submit", (event) => {
    if (leaving) { event.preventDefault(); return; } // Enter twice is one decision
    leaving = true;
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) { leaving = false; location.reload(); } });

  // How long the item has been looked at: only while it is visible.
  if (decide) {
    const box = decide.elements.seconds;
    let seen = Number(box.value) * 1000 || 0, since = document.hidden ? 0 : performance.now();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && since) { seen += performance.now() - since; since = 0; }
      else if (!document.hidden && !since) { since = performance.now(); }
    });
    decide.addEventListener("submit", () => {
      box.value = ((seen + (since ? performance.now() - since : 0)) / 1000).toFixed(1);
    });
  }

  // The reservation: taken when the page opens, renewed while somebody works, given back when the page is left.
  if (hold && page.dataset.hold) {
    let active = true;
    const take = async () => {
      let answer;
      try {
        answer = await fetch(hold.action, {
          method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(hold)),
        });
      } catch { return; } // offline: saving tells
      if (answer.ok) {
        const told = await answer.json(), held = by("held");
        hold.hidden = true;
        if (held) { held.firstChild.data = "yours until "; held.id = ""; }
        const until = by("until");
        if (until) until.textContent = told.until;
      } else if (answer.status === 409 && page.dataset.hold === "free" && !typed()) { location.reload(); }
    };
    for (const kind of ["keydown", "pointerdown", "scroll"]) {
      document.addEventListener(kind, () => { active = true; }, { passive: true, capture: true });
    }
    if (page.dataset.hold === "free") take();
    setInterval(() => { if (active && !document.hidden && !leaving) { active = false; take(); } },
      Math.max(5, Number(page.dataset.every)) * 1000);
    window.addEventListener("pagehide", () => {
      if (leaving) return;
      const given = new URLSearchParams(new FormData(by("leave")));
      given.set("quiet", "1");
      navigator.sendBeacon(by("leave").action, given);
    });
  }
  function typed() { return fields().some(differs) || (decide && decide.elements.reason.value); }
  function fields() { return decide ? [...decide.querySelectorAll(".fld input, .fld textarea")] : []; }
  function differs(field) { return field.value !== field.defaultValue; }

  const choose = (word) => {
    const box = decide && decide.querySelector(`input[data-key="${word}"]`);
    if (!box) return false;
    box.checked = true;
    if (word === "c") (decide.querySelector(".differs input, .differs textarea") || fields()[0] || box).focus();
    else if (word === "r") by("reason").focus();
    else box.focus();
    return true;
  };
  // What is typed into a field is a correction.
  fields().forEach((field) => field.addEventListener("input", () => {
    const correct = decide.querySelector('input[value="corrected"]');
    field.closest(".fld").classList.toggle("changed", differs(field));
    if (correct && fields().some(differs)) correct.checked = true;
  }));
  // Where something is missing the next key is text, never a decision: the field that lacks it has the focus.
  const problems = by("problems");
  if (problems) {
    const chosen = decide && decide.querySelector('input[type="radio"]:checked'), reason = by("reason");
    const corrects = chosen && chosen.value === "corrected";
    ((chosen && !corrects && reason) || (corrects && (fields().find(differs) || fields()[0])) || problems).focus();
  }

  const rows = [...document.querySelectorAll("a.row")];
  const move = (step) => {
    const at = rows.indexOf(document.activeElement), next = rows[at < 0 ? 0 : at + step];
    if (next) next.focus();
  };
  const open = (box) => { if (box) { box.open = !box.open; if (box.open) box.querySelector("summary").focus(); } };
  const follow = (key) => { const link = document.querySelector(`a[data-key="${key}"]`); if (link) link.click(); };

  const onKey = onItem ? {
    a: () => choose("a"), c: () => choose("c"), r: () => choose("r"),
    e: () => by("reason") && by("reason").focus(), s: () => by("source") && by("source").focus(),
    j: () => submit("next"), n: () => submit("next"), k: () => submit("previous"), p: () => submit("previous"),
    v: () => open(record), "?": () => open(keys),
    Escape: () => { if (keys.open) keys.open = false; else if (by("leave")) submit("leave"); else history.back(); },
    Enter: (event) => { if (decide && !event.target.closest("a, button, summary, textarea")) submit("decide"); else return false; },
  } : {
    s: () => submit("start"), j: () => move(1), k: () => move(-1), f: () => follow("f"), m: () => follow("m"),
    "?": () => open(keys), Escape: () => { keys.open = false; },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter" && decide) { event.preventDefault(); submit("decide"); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const writing = event.target.closest("textarea, select, input:not([type=radio])");
    if (writing) {
      if (event.key === "Escape") { event.preventDefault(); writing.blur(); }
      return; // Enter in a field of one line saves by itself
    }
    if (event.key === "Enter" && event.target.type === "radio") return; // it saves by itself, too
    const act = onKey[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
})();
