import { anyApi } from "convex/server";
import { api as documented } from "../generated/api";

/** What the names of the chat's functions begin with in this deployment (`CHAT_MOUNT`); the server writes it into the page. */
const mount = import.meta.env.VITE_CHAT_MOUNT || document.querySelector<HTMLMetaElement>('meta[name="chat-mount"]')?.content;

/** Every public function of the chat, under its name in this deployment. */
export const api = mount ? (anyApi[mount] as unknown as typeof documented) : documented;
