/**
 * How late a timer is at worst: this process's, beside some work, and that of a process which does
 * nothing else, at the same time. What both show is the machine's, not ours.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const TICK_MS = 10;

/** Starts a timer; the function that it gives stops it and tells how late it was. */
export function startTimer() {
  let [last, worst, ticks] = [performance.now(), 0, 0];
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last - TICK_MS);
    last = now;
    ticks += 1;
  }, TICK_MS);
  return () => {
    clearInterval(timer);
    // Or else a loop that is blocked to the end would be on time.
    worst = Math.max(worst, performance.now() - last - TICK_MS);
    return { worst, ticks };
  };
}

/** The same in a process of its own. */
export async function startIdleProcess() {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)]);
  await once(child.stdout, "data");
  return async () => {
    child.stdin.end();
    const [report] = await once(child.stdout, "data");
    return JSON.parse(report);
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stop = startTimer();
  process.stdout.write("started");
  process.stdin.resume().on("end", () => console.log(JSON.stringify(stop())));
}
