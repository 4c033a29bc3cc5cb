import { ConvexClient } from "convex/browser";
import { ConvexError } from "convex/values";
import { api, type ErrorData } from "./generated/api";

const client = new ConvexClient(window.location.origin);
const name = window.location.hash.slice(1) || "everybody";
const at = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;

client.onUpdate(api.live_counter.read, { name }, (value) => {
  at<HTMLOutputElement>("value").textContent = String(value);
});

async function count(amount: number) {
  try {
    await client.mutation(api.live_counter.add, { name, amount });
    at("problem").textContent = "";
  } catch (error) {
    at("problem").textContent = error instanceof ConvexError ? (error.data as ErrorData).message : String(error);
  }
}

at("more").addEventListener("click", () => count(1));
at("less").addEventListener("click", () => count(-1));
