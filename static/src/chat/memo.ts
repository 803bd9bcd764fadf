import { Component, type ComponentType, h } from "preact";

/** A component that is drawn again only when one of its properties changes. */
export function memo<P extends object>(view: ComponentType<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const keys = new Set([...Object.keys(next), ...Object.keys(this.props)]) as Set<keyof P>;
      for (const key of keys) if (next[key] !== (this.props as P)[key]) return true;
      return false;
    }
    override render() {
      return h(view, this.props as P);
    }
  } as unknown as ComponentType<P>;
}
