// Prints the Khronos validator's issues of every file named on the command line, as one JSON list.
const validator = require('gltf-validator');
const fs = require('fs');

(async () => {
  const reports = [];
  for (const file of process.argv.slice(2)) {
    try {
      const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)), { format: 'glb' });
      reports.push(report.issues);
    } catch (error) { // what is no GLB at all has no report
      const message = { code: String(error), severity: 0 };
      reports.push({ numErrors: 1, numWarnings: 0, numHints: 0, messages: [message] });
    }
  }
  console.log(JSON.stringify(reports));
})();
