// Calls a service as a Node.js program does: node client.js <modules> <port> <file of descriptors>
const path = require("path");
const [modules, port, descriptors] = process.argv.slice(2);
const grpc = require(path.join(modules, "@grpc/grpc-js"));
const loader = require(path.join(modules, "@grpc/proto-loader"));
const fs = require("fs");

const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(descriptors), { keepCase: true });
const { Speech } = grpc.loadPackageDefinition(definition).speech;
const client = new Speech(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
const soon = () => ({ deadline: Date.now() + 60000 });

const metadata = new grpc.Metadata({ waitForReady: true });
metadata.set("x-request-id", "from-node");
client.Say({ text: "hello" }, metadata, soon(), (error, told) => {
  const letters = [];
  const stream = client.Spell({ text: "ab!" }, soon());
  stream.on("data", (letter) => letters.push(letter.letter));
  stream.on("error", (failure) => {
    const refused = { code: failure.code, details: failure.details };
    console.log(JSON.stringify({ error, text: told.text, id: told.request_id, letters, refused }));
    client.close();
  });
});
