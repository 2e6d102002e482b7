// How numbers are written; the same rules as longpole.dashboard.words, so that drawing and page agree.
const MINUS = "−";

function durationText(ns) {
  if (!Number.isFinite(ns)) return "–";
  if (ns < 0) return MINUS + durationText(-ns);
  if (ns === 0) return "0 s";
  if (Math.round(ns / 1e3) < 1000) return `${Math.round(ns / 1e3)} µs`;
  if (ns < 99.95e6) return `${(ns / 1e6).toFixed(1)} ms`;
  if (Math.round(ns / 1e6) < 1000) return `${Math.round(ns / 1e6)} ms`;
  if (ns < 9.995e9) return `${(ns / 1e9).toFixed(2)} s`;
  if (ns < 59.95e9) return `${(ns / 1e9).toFixed(1)} s`;
  const seconds = Math.round(ns / 1e9), minutes = Math.round(ns / 60e9);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${twoDigits(seconds % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
}

function twoDigits(number) { return String(number).padStart(2, "0"); }

// Ticks are round numbers, so digits that are all zero are left away.
function tickText(ns, stepNs) {
  if (ns === 0) return "0";
  if (ns < 0) return MINUS + tickText(-ns, stepNs);
  if (ns >= 60e9) return durationText(ns);
  const [unit, name] = ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : ns >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  const digits = Math.max(0, Math.min(3, -Math.floor(Math.log10(stepNs / unit) + 1e-9)));
  return `${(ns / unit).toFixed(digits)} ${name}`;
}

function usdText(usd) {
  if (!Number.isFinite(usd)) return "–";
  if (usd === 0) return "$0";
  if (usd < 0.0000005) return "< $0.000001";
  const digits = usd < 0.0001 ? 6 : usd < 0.001 ? 5 : usd < 0.01 ? 4 : usd < 0.1 ? 3 : 2;
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `$${usd.toLocaleString("en-US", fixed)}`;
}

function tokensText(tokens) {
  if (tokens < 1000) return String(tokens);
  return tokens < 999_950 ? `${(tokens / 1e3).toFixed(1)}k` : `${(tokens / 1e6).toFixed(2)}M`;
}

function shareText(ratio) {
  const percent = ratio * 100;
  if (percent > 0 && percent < 0.05) return "< 0.1 %";
  return `${percent >= 9.95 || percent === 0 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}
