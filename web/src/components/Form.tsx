import { type ReactNode, useId } from "react";
import type { FormState } from "../hooks/useForm";
import { Field, Refused } from "./Field";

interface Props<V> {
  form: FormState<V>;
  /** A form with a title is a card of its own. */
  title?: string;
  /** The word on the button that sends it. */
  verb: string;
  /** Something that is required is missing. */
  incomplete?: boolean;
  onCancel: () => void;
  /** A button beside the two. */
  beside?: ReactNode;
  children: ReactNode;
}

/** A form with its fields, what was refused of none of them, and the two ways out. */
export function Form<V extends object>({ form, title, verb, incomplete = false, onCancel, beside, children }: Props<V>) {
  const id = useId();
  const card = title !== undefined && { className: "card", "aria-labelledby": id };
  return (
    <form {...card} onSubmit={form.submit}>
      {title !== undefined && <h2 id={id}>{title}</h2>}
      {children}
      <Refused refusal={form.refusal} shown={Object.keys(form.values)} />
      <menu>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={form.busy || incomplete}>
          {verb}
        </button>
        {beside}
      </menu>
    </form>
  );
}

interface TextProps<V> {
  form: FormState<V>;
  /** Which of the form's values; a text. */
  name: keyof V & string;
  label: string;
  /** So many lines; one without it. */
  rows?: number;
  required?: boolean;
  maxLength?: number;
  placeholder?: string;
  autoFocus?: boolean;
  /** The id of a list of what one may choose from. */
  list?: string;
  /** A control of the same line that is not the field. */
  beside?: ReactNode;
}

/** A field for a text. */
export function TextField<V extends object>({ form, name, label, beside, rows, list, ...input }: TextProps<V>) {
  const value = String(form.values[name]);
  const change = (text: string) => form.set({ [name]: text } as Partial<V>);
  return (
    <Field label={label} name={name} refusal={form.refusal} beside={beside}>
      {(aria) =>
        rows === undefined ? (
          <input {...aria} {...input} list={list} value={value} onChange={(event) => change(event.target.value)} />
        ) : (
          <textarea {...aria} {...input} rows={rows} value={value} onChange={(event) => change(event.target.value)} />
        )
      }
    </Field>
  );
}
