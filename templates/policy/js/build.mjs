// Builds the policy: node build.mjs [FILE]

import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';

const file = process.argv[2] ?? '__NAME__.wasm';
const { component } = await componentize({
  sourcePath: 'policy.js',
  witPath: 'wit',
  worldName: 'my-policy',
  // The balancer has none of these: whoever calls them fails.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile(file, component);
console.log(`${file}: ${(component.length / 1e6).toFixed(1)} MB`);
