import { Component, type ReactNode } from "react";
import { sentence } from "./calls";

/** Says what broke in a pane, such as a key that counts no more; the other panes go on. */
export class Boundary extends Component<{ children: ReactNode }, { problem: unknown }> {
  override state = { problem: null as unknown };

  static getDerivedStateFromError(problem: unknown) {
    return { problem };
  }

  override render() {
    if (this.state.problem === null) return this.props.children;
    return (
      <>
        <h1>This could not be shown</h1>
        <p role="alert">{sentence(this.state.problem)}</p>
        <button type="button" onClick={() => this.setState({ problem: null })}>
          Try again
        </button>
      </>
    );
  }
}
