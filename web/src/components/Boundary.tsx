import { Component, type ReactNode } from "react";
import { explain } from "../lib/explain";

interface Props {
  children: ReactNode;
  hidden?: boolean;
}

/** Says in words what broke inside, and offers to try again; the rest of the page goes on. */
export class Boundary extends Component<Props, { problem: unknown }> {
  override state = { problem: null as unknown };

  static getDerivedStateFromError(problem: unknown) {
    return { problem };
  }

  override render() {
    if (this.state.problem === null) return this.props.children;
    return (
      <main className="pane" hidden={this.props.hidden}>
        <div className="centre" role="alert">
          <h2>This could not be shown</h2>
          <p>{explain(this.state.problem)}</p>
          <button type="button" onClick={() => this.setState({ problem: null })}>
            Try again
          </button>
        </div>
      </main>
    );
  }
}
