// A dashboard's JSON drawn by Grafana's own components. Ours are only the grid, the row headings, the bar of
// variables and the fetching; panels, graphs, numbers, bars, tables, units, colours and thresholds are Grafana's.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { BarGauge, BigValue, PanelChrome, TimeSeries, VizRepeater, GlobalStyles, PortalContainer } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { getDisplayProcessor, getFieldDisplayValues, ThemeContext } from '@grafana/data';
import 'uplot/dist/uPlot.min.css';
import { framesOf, RANGE, theme, transformed, withFields } from './data.js';

const CELL = 30, GAP = 8; // Grafana's grid
const same = (text) => text;

class Boundary extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <pre className="fault">{String(this.state.error.stack)}</pre> : this.props.children; }
}

function Silence({ panel }) {
  return <div className="silence">{panel.fieldConfig.defaults.noValue}</div>;
}

function Graph({ panel, frames, width, height }) {
  const legend = { ...panel.options.legend, calcs: [] };
  return <TimeSeries frames={frames} structureRev={1} timeRange={RANGE} timeZone="utc" width={width} height={height}
    legend={legend} theme={theme} options={panel.options} replaceVariables={same} />;
}

function Values({ panel, frames, width, height }) {
  const values = getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions,
    replaceVariables: same, theme, data: frames, sparkline: panel.options.graphMode !== 'none', timeZone: 'utc' });
  const bars = panel.type === 'bargauge';
  const draw = ({ value, width, height }) => bars
    ? <BarGauge value={value.display} width={width} height={height} orientation="horizontal" field={value.field}
        display={value.view?.getFieldDisplayProcessor(value.colIndex) ?? getDisplayProcessor({ field: { config: value.field }, theme })}
        theme={theme} itemSpacing={8} displayMode={panel.options.displayMode} showUnfilled={panel.options.showUnfilled}
        valueDisplayMode={panel.options.valueMode} namePlacement={panel.options.namePlacement} alignmentFactors={longest(values)} />
    : <BigValue value={value.display} sparkline={value.sparkline} colorMode={panel.options.colorMode} theme={theme}
        graphMode={panel.options.graphMode} justifyMode={panel.options.justifyMode} width={width} height={height}
        textMode={panel.options.textMode} disableWideLayout={!panel.options.wideLayout} count={values.length} />;
  return <VizRepeater getValues={() => values} renderValue={draw} width={width} height={height} source={frames}
    autoGrid itemSpacing={8} renderCounter={1} orientation={bars ? 'horizontal' : panel.options.orientation}
    minVizHeight={panel.options.minVizHeight} maxVizHeight={panel.options.maxVizHeight} />;
}

function longest(values) {
  const of = (part) => values.map(part).sort((a, b) => b.length - a.length)[0] ?? '';
  return { title: of((v) => v.display.title ?? ''), text: of((v) => v.display.text), suffix: of((v) => v.display.suffix ?? '') };
}

function Rows({ panel, frames, width, height }) {
  return <TableNG data={frames[0]} width={width} height={height} noHeader={false} cellHeight={panel.options.cellHeight} timeRange={RANGE}
    sortBy={panel.options.sortBy} fieldConfig={panel.fieldConfig} structureRev={1} />;
}

const KINDS = { timeseries: Graph, stat: Values, bargauge: Values, table: Rows };

function Panel({ panel, box }) {
  const [frames, set] = React.useState();
  React.useEffect(() => {
    framesOf(panel, box.width).then((found) => transformed(panel, found)).then((found) => set(withFields(panel, found)))
      .catch((error) => set(error)).finally(() => { window.done = (window.done ?? 0) + 1; });
  }, []);
  const Kind = KINDS[panel.type];
  return <div style={{ position: 'absolute', left: box.x, top: box.y, width: box.width, height: box.height }}>
    <PanelChrome title={panel.title} description={panel.description} width={box.width} height={box.height}>
      {(width, height) => frames instanceof Error ? <pre className="fault">{String(frames.stack)}</pre>
        : frames === undefined ? null
        : Kind !== Values && frames.every((frame) => frame.length === 0) ? <Silence panel={panel} />
        : <Boundary><Kind panel={panel} frames={frames} width={width} height={height} /></Boundary>}
    </PanelChrome>
  </div>;
}

// As Grafana lays them out: 24 columns, or one below the other on a phone.
function places(panels, width) {
  const phone = width < 769, column = (width - GAP) / 24;
  let y = 0;
  return panels.map((panel) => {
    const { x, y: row, w, h } = panel.gridPos;
    const box = phone ? { x: GAP, y, width: width - 2 * GAP } : { x: GAP + x * column, y: row * (CELL + GAP), width: w * column - GAP };
    const height = h * (CELL + GAP) - GAP;
    y += height + GAP;
    return { ...box, height };
  });
}

function Dashboard({ board, width }) {
  const boxes = places(board.panels, width);
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return <div>
    <header><b>{board.title}</b>{board.templating.list.filter((each) => each.hide !== 2).map((each) =>
      <span key={each.name}>{each.label} <i>{each.type === 'datasource' ? 'Prometheus' : 'All'}</i></span>)}</header>
    <div style={{ position: 'relative', height: bottom + GAP }}>
      {board.panels.map((panel, index) => panel.type === 'row'
        ? <h2 key={panel.id} style={{ position: 'absolute', left: boxes[index].x, top: boxes[index].y }}>{panel.title}</h2>
        : <Panel key={panel.id} panel={panel} box={boxes[index]} />)}
    </div>
  </div>;
}

const board = await (await fetch(`/dashboards/${window.PICTURE.board}.json`)).json();
window.total = board.panels.filter((panel) => panel.type !== 'row').length;
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}><GlobalStyles /><PortalContainer />
    <Dashboard board={board} width={document.documentElement.clientWidth} /></ThemeContext.Provider>);
