// Queries, as Grafana's Prometheus data source makes frames of them, and the pipeline that gives fields their look.
import { applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateTime, FieldConfigOptionsRegistry, FieldType, identityOverrideProcessor,
  standardTransformers, standardTransformersRegistry, thresholdsOverrideProcessor, toDataFrame, transformDataFrame } from '@grafana/data';
import { lastValueFrom } from 'rxjs';

const { from, to, scrape } = window.PICTURE; // ms, ms, s
export const theme = createTheme({ colors: { mode: 'dark' } });
export const RANGE = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
const SPAN = Math.round((to - from) / 1000);

const { mergeTransformer, organizeFieldsTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() => [mergeTransformer, organizeFieldsTransformer].map((transformation) =>
  ({ id: transformation.id, name: transformation.name, transformation: async () => transformation, editor: () => null })));

// What the panel of core registers for a graph; @grafana/ui leaves the defaults to it.
const GRAPH = { drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', pointSize: 5,
  showPoints: 'auto', spanNulls: false, insertNulls: false, barAlignment: 0, barWidthFactor: 0.6, stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto', axisColorMode: 'text', axisLabel: '', axisBorderShow: false, scaleDistribution: { type: 'linear' },
  hideFrom: { tooltip: false, viz: false, legend: false }, thresholdsStyle: { mode: 'off' }, lineStyle: undefined };
const TABLE = { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, width: undefined, filterable: false, wrapText: false };

const item = (id, path, process = identityOverrideProcessor) => ({ id, path, name: id, description: '', override: process,
  editor: () => null, process, settings: {}, shouldApply: () => true });

function registry(custom) {
  const found = new FieldConfigOptionsRegistry();
  for (const id of ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'color', 'mappings', 'links']) found.register(item(id, id));
  found.register(item('thresholds', 'thresholds', thresholdsOverrideProcessor));
  for (const [key, value] of Object.entries(custom)) {
    found.register({ ...item(`custom.${key}`, key), isCustom: true, defaultValue: value });
  }
  return found;
}

export function withFields(panel, frames) {
  const custom = panel.type === 'timeseries' ? GRAPH : panel.type === 'table' ? TABLE : {};
  const defaults = { ...panel.fieldConfig.defaults, custom: { ...custom, ...panel.fieldConfig.defaults.custom } };
  const found = applyFieldOverrides({ data: frames, fieldConfig: { ...panel.fieldConfig, defaults }, replaceVariables: (text) => text,
    theme, timeZone: 'utc', fieldConfigRegistry: registry(custom) });
  cacheFieldDisplayNames(found);
  return found;
}

export async function transformed(panel, frames) {
  return panel.transformations?.length && frames.length ? lastValueFrom(transformDataFrame(panel.transformations, frames)) : frames;
}

function filled(expr, step) {
  const globals = { __rate_interval: `${Math.max(4 * scrape, step + scrape)}s`, __interval: `${step}s`, __range: `${SPAN}s`, __range_s: SPAN };
  return expr.replace(/\$\{?(\w+)\}?/g, (_, name) => globals[name] ?? '.+');
}

export async function framesOf(panel, width) {
  const step = Math.max(scrape, Math.round(SPAN / width / scrape) * scrape);
  const all = await Promise.all(panel.targets.map((target) => one(target, step, panel.targets.length)));
  return all.flat();
}

async function one(target, step, queries) {
  const when = target.instant ? { time: to / 1000 } : { start: from / 1000, end: to / 1000, step };
  const path = target.instant ? 'query' : 'query_range';
  const answer = await (await fetch(`/api/v1/${path}?${new URLSearchParams({ query: filled(target.expr, step), ...when })}`)).json();
  if (answer.status !== 'success') throw new Error(`${target.expr}: ${answer.error}`);
  const found = answer.data.result.map(({ metric, values, value }) => ({ metric, values: values ?? [value] }));
  return target.format === 'table' ? [table(target, found, queries)] : found.map((series) => frame(target, series, step));
}

const number = (text) => (Number.isFinite(parseFloat(text)) ? parseFloat(text) : null);

function frame(target, { metric, values }, step) {
  const name = target.legendFormat ? target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '') : 'Value';
  const at = new Map(values.map(([when, value]) => [when, number(value)]));
  const times = target.instant ? [...at.keys()] : Array.from({ length: Math.floor(SPAN / step) + 1 }, (_, index) => from / 1000 + index * step);
  return toDataFrame({ refId: target.refId, fields: [
    { name: 'Time', type: FieldType.time, values: times.map((when) => when * 1000), config: {} },
    { name: 'Value', type: FieldType.number, labels: metric, values: times.map((when) => at.get(when) ?? null), config: { displayNameFromDS: name } },
  ] });
}

function table(target, found, queries) {
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))];
  return toDataFrame({ refId: target.refId, fields: [
    { name: 'Time', type: FieldType.time, values: found.map(() => to), config: {} },
    ...labels.map((label) => ({ name: label, type: FieldType.string, values: found.map(({ metric }) => metric[label] ?? ''), config: {} })),
    { name: queries > 1 ? `Value #${target.refId}` : 'Value', type: FieldType.number, values: found.map(({ values }) => number(values[0][1])), config: {} },
  ] });
}
