import { type FormEvent, useState } from "react";
import { type Refusal, refusalOf } from "../lib/explain";

/** The state of a form. The names of its values are the server's names of its fields, so that a refusal finds its place. */
export interface FormState<V> {
  values: V;
  /** Change some of the values. */
  set: (part: Partial<V>) => void;
  /** What was refused last, until the next try. */
  refusal: Refusal | null;
  /** The values are on their way. */
  busy: boolean;
  submit: (event: FormEvent) => Promise<void>;
}

/**
 * A form whose values are sent by `save`; what `save` throws is told as a refusal.
 *
 * @param initial the values at first, or what makes them.
 * @param save sends the values; where the form goes after that is its affair.
 * @param refused what is refused before anything was tried.
 */
export function useForm<V extends object>(
  initial: V | (() => V),
  save: (values: V) => Promise<unknown>,
  refused: Refusal | null = null,
): FormState<V> {
  const [values, setValues] = useState(initial);
  const [refusal, setRefusal] = useState(refused);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    try {
      await save(values);
    } catch (problem) {
      setRefusal(refusalOf(problem));
    }
    setBusy(false);
  }

  return { values, set: (part) => setValues((now) => ({ ...now, ...part })), refusal, busy, submit };
}
