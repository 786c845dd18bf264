/**
 * `deno task soak --minutes N`: serves, injects faults, and fails on any loss, leak or zombie.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { soakPage, soakText } from "./report.ts";
import { soak } from "./soak.ts";
import { STAGES } from "./stages.ts";

const USAGE = `Usage: deno task soak [options]

  --minutes N    how long (1)
  --rate N       connections a second (750)
  --faults N     faults a second (1)
  --seed N       where chance begins (any); what a run does depends on timing, too
  --only TEXT    servers whose name has this in it
  --report FILE  a page with plots (soak.html)
`;

function positive(text: string, name: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  say(`soak: Cannot use --${name} "${text}": expected a number above 0`);
  Deno.exit(2);
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

function parse() {
  try {
    return parseArgs({
      args: Deno.args,
      options: {
        minutes: { type: "string", default: "1" },
        rate: { type: "string", default: "750" },
        faults: { type: "string", default: "1" },
        seed: { type: "string", default: String(Date.now() % 1e9) },
        only: { type: "string", default: "" },
        report: { type: "string", default: "soak.html" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    say(`soak: ${(error as Error).message}\n\n${USAGE}`);
    Deno.exit(2);
  }
}

const { minutes, rate, faults, seed, only, report, help } = parse();
if (help) {
  Deno.stdout.writeSync(new TextEncoder().encode(USAGE));
  Deno.exit(0);
}
const stages = STAGES.filter(({ name }) => name.includes(only));
if (stages.length === 0) {
  say(
    `soak: No server has "${only}" in its name: there are ${
      STAGES.map(({ name }) => name).join("; ")
    }`,
  );
  Deno.exit(2);
}
const result = await soak({
  seconds: 60 * positive(minutes, "minutes"),
  rate: positive(rate, "rate"),
  faults: positive(faults, "faults"),
  seed: positive(seed, "seed"),
  stages,
}, say);
Deno.writeTextFileSync(report, soakPage(result));
Deno.stdout.writeSync(new TextEncoder().encode(soakText(result)));
Deno.exitCode = result.problems.length === 0 ? 0 : 1;
