// node shapes.mjs OUT: JSON schemas of what Grafana's own types allow in a dashboard, and in its panels' options.
import { writeFileSync } from 'node:fs';
import { createGenerator } from 'ts-json-schema-generator';

const types = 'node_modules/@grafana/schema/dist/types/raw';
const panel = (kind) => `${types}/composable/${kind}/panelcfg/x/types.gen.d.ts`;
const wanted = {
  dashboard: [`${types}/dashboard/x/types.gen.d.ts`, 'Dashboard'],
  'dashboard of Grafana 10': ['node_modules/schema-10/dist/esm/raw/dashboard/x/dashboard_types.gen.d.ts', 'Dashboard'],
  'bargauge options': [panel('bargauge'), 'Options'],
  'stat options': [panel('stat'), 'Options'],
  'table options': [panel('table'), 'Options'],
  'table custom': [panel('table'), 'FieldConfig'],
  'timeseries options': [panel('timeseries'), 'Options'],
  'timeseries custom': [panel('timeseries'), 'FieldConfig'],
};
const schemas = {};
for (const [name, [path, type]] of Object.entries(wanted)) {
  schemas[name] = createGenerator({ path, type, tsconfig: 'tsconfig.json', skipTypeCheck: true }).createSchema(type);
}
const bare = (key, value) => (['description', 'default', '$comment'].includes(key) && typeof value !== 'object' ? undefined : value);
writeFileSync(process.argv[2], `${JSON.stringify(schemas, bare)}\n`);
