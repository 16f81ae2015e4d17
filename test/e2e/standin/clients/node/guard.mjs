// Refuses every connection that leaves the machine. Loaded before a script, with --import.
import dns from "node:dns";
import net from "node:net";

const loopback = new Set(["127.0.0.1", "::1", "localhost"]);

function refuse(host) {
  return new Error(`only loopback is allowed, not ${host}`);
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0];
  const host = typeof first === "object" ? (first.path ?? first.host ?? "localhost") : (args[1] ?? "localhost");
  if (!loopback.has(host)) {
    process.nextTick(() => this.destroy(refuse(host)));
    return this;
  }
  return connect.apply(this, args);
};

const lookup = dns.lookup;
dns.lookup = function (host, ...rest) {
  if (!loopback.has(host)) {
    process.nextTick(rest.at(-1), refuse(host));
    return;
  }
  return lookup.call(this, host, ...rest);
};
