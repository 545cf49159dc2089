import { type Comparison, type Condition, foregone, type MinimumSample, type ThresholdCondition } from './condition.ts';
import { counted, fromMetric, toMetric } from './measure.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';
import { seconds } from './quantity.ts';
import type { Scanner } from './scanner.ts';
import { readSignal, type SignalReference } from './signal-reference.ts';
import { rangeOf, type SignalDefinition, type SignalName, type Statistic, signalFor } from './signals.ts';

/** Which conditions a table takes. */
export interface ConditionRules {
  /** Periods where the condition does not say. */
  readonly defaultPeriods: number;
  /** Whether it may hold in M of N periods, or be outside a band; where not, it has to hold in each. */
  readonly alarm: boolean;
}

// "PutMetricAlarm" in the CloudWatch API reference: periods of 60 s and multiples; all of them together at most a day.
const minute = 60;
const day = 86_400;

/** Statistics by the word that a runbook has for them; `p95` and the like beside. */
const statisticWords: ReadonlyMap<string, Statistic> = new Map([
  ['average', 'Average'],
  ['maximum', 'Maximum'],
  ['minimum', 'Minimum'],
  ['sum', 'Sum'],
]);
const percentile = /p\d+(?:\.\d+)?/;
const duration = /\d+\s*[A-Za-z]+/;
const comparison = />=|<=|>|</;
/** A figure with the unit that follows it; a word of the grammar is none, and what another figure follows is a misspelt one. */
const value = /[\d.,]+(?:\s*(?:%|(?!(?:for|when|of)\b|[A-Za-z]+\s+\d)[A-Za-z]+))?/;

const allowedStatistics: Readonly<Record<SignalDefinition['statistics'], readonly string[]>> = {
  sum: ['sum'],
  gauge: ['average', 'maximum', 'minimum'],
  distribution: ['average', 'maximum', 'minimum', 'p50', 'p95 and other percentiles'],
  none: [],
};

/**
 * Reads `> 5000 for 5 min`, `p95 > 1 s for 3 of 5 min`, `>= 10 % when ActiveConnections >= 50`, `outside 2 band for 15 min`.
 * What is wrong is reported at its place. Figures are turned into the metric's unit here, and nowhere else.
 */
export function readCondition(
  reference: SignalReference,
  scanner: Scanner,
  rules: ConditionRules,
  problems: Problems,
): Condition | undefined {
  const reader = new ConditionReader(reference, scanner, rules, problems);
  return reader.read();
}

/** As `readCondition`, for a table that has no bands. */
export function readThreshold(
  reference: SignalReference,
  scanner: Scanner,
  rules: ConditionRules & { readonly alarm: false },
  problems: Problems,
): ThresholdCondition | undefined {
  const condition = readCondition(reference, scanner, rules, problems);
  return condition?.kind === 'threshold' ? condition : undefined;
}

class ConditionReader {
  readonly #reference: SignalReference;
  readonly #signal: SignalDefinition;
  readonly #scanner: Scanner;
  readonly #rules: ConditionRules;
  readonly #problems: Problems;

  constructor(reference: SignalReference, scanner: Scanner, rules: ConditionRules, problems: Problems) {
    this.#reference = reference;
    this.#signal = signalFor(reference.signal);
    this.#scanner = scanner;
    this.#rules = rules;
    this.#problems = problems;
  }

  /** Each part is read even where the one before was wrong, as long as it is known where it begins. */
  read(): Condition | undefined {
    const statistic = this.#statistic();
    const period = this.#period();
    const bound = this.#bound(period);
    if (bound === 'unreadable') return undefined;
    const window = this.#window(period);
    const sampleAt = this.#scanner.at;
    const sample = this.#sample();
    if (sample && bound?.kind === 'band') {
      this.#problems.report(sampleAt, '`when …` with a band', 'a band alone: it is learned of the signal as it is');
      return undefined;
    }
    if (!this.#scanner.done) {
      const words = ['for', 'when', 'over'];
      const word = /^[A-Za-z]+/.exec(this.#scanner.rest)?.[0];
      this.#fail(`the end, \`for …\` or \`when …\``, word && nearestName(word, words));
    }
    if (!statistic || !period || !bound || !window || sample === 'wrong' || !this.#scanner.done) return undefined;
    return {
      ...this.#reference,
      statistic: statistic.statistic,
      periodSeconds: period,
      ...window,
      ...(sample && { minimumSample: sample }),
      ...bound,
    };
  }

  #statistic(): { readonly statistic: Statistic | undefined } | undefined {
    const { statistics, terms } = this.#signal;
    const [term] = Object.values(terms);
    const usual = { statistic: statistics === 'none' ? undefined : term?.statistic };
    const at = this.#scanner.at;
    if (this.#scanner.sees(/(?:over|outside|for|when)\b/)) return usual;
    const word = this.#scanner.take(/[A-Za-z][\w.]*/)?.[0];
    if (word === undefined) return usual;
    const { signal } = this.#reference;
    if (statistics === 'none') {
      const expected = `a comparison such as \`> 10\`: \`${signal}\` is computed and has no statistic`;
      this.#problems.report(at, `statistic \`${word}\``, expected);
      return undefined;
    }
    const expected = `a statistic that \`${signal}\` has (${allowedStatistics[statistics].join(', ')}) or a comparison`;
    const named = new RegExp(`^${percentile.source}$`).test(word) ? (word as Statistic) : statisticWords.get(word);
    const share = Number(word.slice(1));
    const fits =
      statistics === 'sum'
        ? named === 'Sum'
        : named !== undefined && named !== 'Sum' && (!named.startsWith('p') || statistics === 'distribution');
    // "Statistics definitions": percentiles are p0 to p100; of these two an alarm has Minimum and Maximum.
    if (named === undefined || !fits || (named.startsWith('p') && !(share > 0 && share < 100))) {
      this.#problems.report(at, `statistic \`${word}\``, expected, nearestName(word, allowedStatistics[statistics]));
      return undefined;
    }
    return { statistic: named };
  }

  /** Seconds of `over 5 min`; a minute where it is not said. */
  #period(): number | undefined {
    if (!this.#scanner.take(/over\b/)) return minute;
    const at = this.#scanner.at;
    const written = this.#scanner.take(duration)?.[0];
    const period = written === undefined ? undefined : seconds.parse(written);
    if (period !== undefined && period >= minute && period <= day && period % minute === 0) return period;
    const read = written === undefined ? `\`over\` ${this.#scanner.next}` : `\`over ${written}\``;
    this.#problems.report(at, read, 'whole minutes up to a day, such as `over 5 min`');
    return undefined;
  }

  /** `unreadable` where it is not known how to go on. */
  #bound(
    period: number | undefined,
  ):
    | Pick<ThresholdCondition, 'kind' | 'comparison' | 'threshold'>
    | { kind: 'band'; deviations: number }
    | undefined
    | 'unreadable' {
    const at = this.#scanner.at;
    if (this.#scanner.take(/outside\b/)) return this.#band(at);
    const sign = this.#scanner.take(comparison)?.[0];
    if (sign === undefined) {
      const band = this.#rules.alarm ? ' or `outside 2 band`' : '';
      this.#fail(`\`>\`, \`>=\`, \`<\` or \`<=\` and a figure${band}`);
      return 'unreadable';
    }
    const figureAt = this.#scanner.at;
    const figure = this.#figure(this.#signal);
    if (figure === 'unreadable') return figure;
    const rate = this.#scanner.take(/\/\s*(\w*)/);
    if (rate && rate[1] !== 'min') {
      this.#problems.report(figureAt, `\`${rate[0].trim()}\` after a figure`, '`/min`, or a figure alone');
      return undefined;
    }
    if (rate && !this.#countsEvents()) {
      const { signal } = this.#reference;
      this.#problems.report(
        figureAt,
        `a rate a minute of \`${signal}\``,
        'a figure without `/min`: it counts no events',
      );
      return undefined;
    }
    if (figure === undefined) return undefined;
    const perPeriod = rate ? (figure * (period ?? minute)) / minute : figure;
    if (!this.#saysSomething(at, this.#reference.signal, sign as Comparison, perPeriod)) return undefined;
    return { kind: 'threshold', comparison: sign as Comparison, threshold: perPeriod };
  }

  #countsEvents(): boolean {
    const { measure, terms } = this.#signal;
    return measure === counted && Object.values(terms).every(term => term.statistic === 'Sum');
  }

  #band(at: Point): { kind: 'band'; deviations: number } | undefined | 'unreadable' {
    const [, width] = this.#scanner.take(/(\d+(?:\.\d+)?)\s*band\b/) ?? [];
    if (width === undefined) {
      this.#fail('the width of a band in standard deviations, such as `outside 2 band`');
      return 'unreadable';
    }
    if (!this.#rules.alarm) {
      this.#problems.report(at, `\`outside ${width} band\``, 'a comparison with a figure');
      return undefined;
    }
    if (this.#signal.expression !== undefined) {
      const expected = `a comparison with a figure: \`${this.#reference.signal}\` is computed, a band is learned of one metric`;
      this.#problems.report(at, `\`outside ${width} band\``, expected);
      return undefined;
    }
    const deviations = Number(width);
    if (deviations > 0 && deviations <= 10) return { kind: 'band', deviations };
    this.#problems.report(at, `a band of ${width} standard deviations`, 'more than 0 and at most 10');
    return undefined;
  }

  /** A figure in the unit of the signal's metric. */
  #figure({ measure }: SignalDefinition): number | undefined | 'unreadable' {
    const at = this.#scanner.at;
    const written = this.#scanner.take(value)?.[0];
    if (written === undefined) {
      this.#fail(measure.quantity.expects);
      return 'unreadable';
    }
    const figure = measure.quantity.parse(written);
    if (figure !== undefined) return toMetric(measure, figure);
    this.#problems.report(at, `\`${written}\``, measure.quantity.expects);
    return undefined;
  }

  #window(period: number | undefined): { readonly periods: number; readonly datapoints: number } | undefined {
    const at = this.#scanner.at;
    const window = this.#scanner.take(/for\b/) ? this.#written(at, period) : this.#usual();
    if (!window || !this.#signal.filled || !this.#rules.alarm || window.datapoints < window.periods) return window;
    const periods = window.periods + 2;
    const minutes = (count: number) => (count * (period ?? minute)) / minute;
    const { signal } = this.#reference;
    this.#problems.report(
      at,
      `\`${signal}\` in all of ${window.periods} periods`,
      `fewer of more, such as \`for ${minutes(window.datapoints)} of ${minutes(periods)} min\`: AWS puts \`${signal}\` late, and its newest period is 0 until then`,
    );
    return undefined;
  }

  #usual(): { readonly periods: number; readonly datapoints: number } {
    const { defaultPeriods } = this.#rules;
    return { periods: defaultPeriods, datapoints: defaultPeriods };
  }

  #written(at: Point, period: number | undefined) {
    const match = this.#scanner.take(/(?:(\d+)\s+of\s+)?(\d+)\s*([A-Za-z]+)/);
    const [text, part, whole, unit] = match ?? [];
    const total = whole === undefined ? undefined : seconds.parse(`${whole} ${unit}`);
    const share = part === undefined ? total : seconds.parse(`${part} ${unit}`);
    if (total === undefined || share === undefined) {
      const read = text === undefined ? `\`for\` ${this.#scanner.next}` : `\`for ${text.trim()}\``;
      this.#problems.report(at, read, '`for 5 min` or `for 3 of 5 min`');
      this.#scanner.take(/(?:(?!\bwhen\b).)*/);
      return undefined;
    }
    const read = `\`for ${text?.trim()}\``;
    if (part !== undefined && !this.#rules.alarm) {
      this.#problems.report(at, read, `\`for ${whole} ${unit}\`: it has to hold all the time`);
      return undefined;
    }
    if (period === undefined) return undefined;
    if (share > total || share === 0) {
      this.#problems.report(at, read, `from 1 to ${whole} of ${whole} ${unit}`);
      return undefined;
    }
    if (total % period !== 0 || share % period !== 0) {
      this.#problems.report(at, read, `a multiple of the period, which is ${seconds.format(period)}`);
      return undefined;
    }
    if (total > day) {
      this.#problems.report(at, read, `at most ${seconds.format(day)}, the longest that CloudWatch looks back`);
      return undefined;
    }
    return { periods: total / period, datapoints: share / period };
  }

  #sample(): MinimumSample | undefined | 'wrong' {
    if (!this.#scanner.take(/when\b/)) return undefined;
    const at = this.#scanner.at;
    const reference = readSignal(this.#scanner, this.#problems);
    if (!reference) {
      this.#scanner.take(/.*/);
      return 'wrong';
    }
    const { signal, dimension } = reference;
    const definition = signalFor(signal);
    const signAt = this.#scanner.at;
    const [sign] = this.#scanner.take(comparison) ?? [];
    if (sign === undefined) {
      this.#fail(`\`when ${signal}\` with a comparison, such as \`>= 50\``);
      this.#scanner.take(/.*/);
      return 'wrong';
    }
    const threshold = this.#figure(definition);
    if (threshold === undefined || threshold === 'unreadable') return 'wrong';
    if (definition.measure !== counted || definition.expression !== undefined || dimension) {
      const expected =
        'the count of something, such as `when BaselineConnections >= 50`: it says how many there have to be';
      this.#problems.report(at, `\`when ${signal}\``, expected);
      return 'wrong';
    }
    if (signal === this.#reference.signal) {
      this.#problems.report(at, `\`when ${signal}\` on \`${signal}\` itself`, 'another signal');
      return 'wrong';
    }
    if (signal === 'ActiveConnections' && this.#signal.losesConnections) {
      const read = `\`when ActiveConnections\` on \`${this.#reference.signal}\`, which would be silent when everybody is gone`;
      this.#problems.report(at, read, '`when BaselineConnections`, which stays what it was');
      return 'wrong';
    }
    if (!this.#saysSomething(signAt, signal, sign as Comparison, threshold)) return 'wrong';
    return { signal, comparison: sign as Comparison, threshold };
  }

  /** Reports a comparison that holds whatever the signal's figure is, or for none that it can have. */
  #saysSomething(at: Point, signal: SignalName, sign: Comparison, threshold: number): boolean {
    const range = rangeOf(signal);
    const outcome = foregone(sign, threshold, range);
    if (outcome === undefined) return true;
    const { measure } = signalFor(signal);
    const figure = (value: number) => fromMetric(measure, value);
    const span = Number.isFinite(range.most)
      ? `from ${figure(range.least)} to ${figure(range.most)}`
      : `never below ${figure(range.least)}`;
    const expected = `a comparison that can hold and can fail: \`${signal}\` is ${span}`;
    this.#problems.report(at, `\`${sign} ${figure(threshold)}\`, which ${outcome} holds`, expected);
    return false;
  }

  #fail(expected: string, suggestion?: string): void {
    this.#problems.report(this.#scanner.at, this.#scanner.next, expected, suggestion);
  }
}
