// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * The page: its settings, its buttons, and the meeting that they begin and end.
 *
 * @module
 */

import { Board, say } from "./board.ts";
import { Meeting, MOST_PARTIES, type Settings } from "./meeting.ts";
import type { Pace } from "./party.ts";

/** How long a party works at each speed. */
const PACES: Record<string, Pace> = {
  slow: { least: 1_500, most: 4_000 },
  normal: { least: 600, most: 2_000 },
  fast: { least: 100, most: 500 },
};

const find = <T extends HTMLElement>(selector: string) => document.querySelector<T>(selector)!;
const form = find<HTMLFormElement>("#settings");
const alertText = find("#alert");
const code = find("#code");
const addButton = find<HTMLButtonElement>("#add");
const replace = find<HTMLInputElement>("#replace");

let meeting: Meeting | undefined;
let board: Board | undefined;

/** Shows an error that is nobody's own. */
function showError(error: unknown): void {
  alertText.textContent = error instanceof Error ? `${error.name}: ${error.message}` : `${error}`;
}

/** Does what a button says. */
function act(deed: (meeting: Meeting) => void): void {
  try {
    if (meeting !== undefined) deed(meeting);
  } catch (error) {
    showError(error);
  }
}

/** Ends the meeting, and all that was started for it. */
function end(): void {
  meeting?.end();
  meeting = undefined;
  board?.end();
}

/** Begins a new meeting with what the form says. */
function begin(): void {
  end();
  alertText.textContent = "";
  const settings = readSettings();
  showSettings(settings);
  board = new Board();
  try {
    meeting = hold(settings, board);
  } catch (error) {
    showError(error);
  }
}

function hold(settings: Settings, board: Board): Meeting {
  return new Meeting(settings, {
    added: (name) =>
      board.addLane(name, {
        pause(paused) {
          act((meeting) => meeting.pause(name, paused));
          say(paused ? `${name} is paused in its work.` : `${name} goes on.`);
        },
        kill() {
          act((meeting) => meeting.kill(name));
          board.lane(name)?.kill();
        },
      }),
    removed: (name) => board.removeLane(name),
    told: (name, news) => board.lane(name)?.show(news),
    passed: (phase) => board.pass(phase),
    broke: (error) => board.break(error),
    mended: () => board.mend(),
    failed: showError,
  });
}

// Settings. They stand in the address, so that it can be shared.

function readSettings(): Settings {
  const data = new FormData(form);
  history.replaceState(null, "", `?${new URLSearchParams([...data] as [string, string][])}`);
  return {
    kind: data.get("kind") === "tasks" ? "tasks" : "workers",
    parties: Number(data.get("parties")),
    pace: PACES[`${data.get("speed")}`]!,
    timeout: Number(data.get("timeout")),
  };
}

function showSettings({ kind, parties, timeout }: Settings): void {
  const [name, call] = kind === "tasks"
    ? ["AsyncBarrier", "await me.wait();"]
    : ["Barrier", "me.wait(); // blocks its thread"];
  const options = timeout === Infinity ? "" : `, { timeout: ${timeout} }`;
  code.textContent = `new ${name}(${parties}${options}) … ${call}`;
  addButton.textContent = kind === "tasks" ? "Add a task" : "Add a worker";
}

/** Fills the form with what the address says. What is not to be chosen is left as it is. */
function restoreSettings(): void {
  const numbers = Array.from({ length: MOST_PARTIES - 1 }, (_, i) => i + 2);
  const parties = form.elements.namedItem("parties") as HTMLSelectElement;
  parties.replaceChildren(...numbers.map((n) => new Option(`${n}`, `${n}`, n === 4, n === 4)));
  form.querySelector<HTMLInputElement>("[value=workers]")!.checked = true;
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLSelectElement) {
      if ([...field.options].some((option) => option.value === value)) field.value = value;
    } else if (field instanceof RadioNodeList) {
      field.value = value;
    }
  }
}

// Buttons

addButton.onclick = () => act((meeting) => say(`${meeting.add()} joins.`));
find("#abort").onclick = () => act((meeting) => meeting.abort("button"));
find("#reset").onclick = () => act((meeting) => meeting.reset({ dropLost: !replace.checked }));

form.onchange = begin;
form.onsubmit = (event) => event.preventDefault();

// Whoever leaves the page ends what it started. Whoever comes back to it begins anew.
addEventListener("pagehide", end);
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) begin();
});
addEventListener("error", ({ error, message }) => showError(error ?? message));
addEventListener("unhandledrejection", ({ reason }) => showError(reason));

function showStanding(): void {
  if (meeting !== undefined) board?.show(meeting.barrier);
  requestAnimationFrame(showStanding);
}

restoreSettings();
begin();
showStanding();
