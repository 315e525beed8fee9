// node draw.mjs URL OUT NAME:WIDTH…: bundle the page, and take a picture of each dashboard at each width.
import * as esbuild from 'esbuild';
import puppeteer from 'puppeteer-core';

const [url, out, ...pictures] = process.argv.slice(2);
await esbuild.build({ entryPoints: ['app.jsx'], bundle: true, outfile: 'dist/app.js', format: 'esm', jsx: 'automatic', minify: true,
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff2': 'dataurl', '.woff': 'dataurl', '.ttf': 'dataurl' }, logLevel: 'error',
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.JEST_WORKER_ID': 'undefined', global: 'window' } });

const browser = await puppeteer.launch({ executablePath: '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu'] });
let faults = 0;
for (const picture of pictures) {
  const [name, width] = picture.split(':');
  const page = await browser.newPage();
  page.on('pageerror', (error) => { faults += 1; console.error(name, String(error.stack ?? error).slice(0, 800)); });
  await page.setViewport({ width: Number(width), height: 5000 }); // (what is outside of it is not painted by tables)
  await page.goto(`${url}/${name}`);
  await page.waitForFunction('window.total && window.done >= window.total', { timeout: 60000 });
  await new Promise((ready) => setTimeout(ready, 1500)); // (graphs draw themselves after their data)
  for (const fault of await page.$$eval('.fault', (found) => found.map((each) => each.textContent))) {
    faults += 1;
    console.error(name, fault.slice(0, 800));
  }
  await (await page.$('#root')).screenshot({ path: `${out}/${name}-${width}.png` });
  console.log(`${name} at ${width} px: ${await page.evaluate('window.total')} panels, ${(await page.$$('canvas')).length} canvases, ${(await page.$$('.silence')).length} without data`);
  await page.close();
}
await browser.close();
process.exit(faults ? 1 : 0);
