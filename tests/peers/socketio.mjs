// What one writes with socket.io and SQLite: a message is stored, then told to everybody else in the room.
// Usage: node socketio.mjs FILE SYNCHRONOUS. Prints its port.
import { createServer } from "node:http";
import Database from "better-sqlite3";
import { Server } from "socket.io";

const [file, synchronous] = process.argv.slice(2);
const db = new Database(file);
db.pragma("journal_mode = WAL");
db.pragma(`synchronous = ${synchronous}`);
db.exec("create table messages (id integer primary key, text text not null)");
const insert = db.prepare("insert into messages (text) values (?)");

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.join("room");
  socket.on("message", (text) => {
    const id = insert.run(text).lastInsertRowid;
    io.to("room").emit("message", { id, text });
  });
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
