// Prints the Khronos validator's issues of every file named on the command line, as one JSON list.
const validator = require('gltf-validator');
const fs = require('fs');

(async () => {
  const reports = [];
  for (const file of process.argv.slice(2)) {
    const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
    reports.push(report.issues);
  }
  console.log(JSON.stringify(reports));
})();
