import { render } from "preact";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/chat.css";
import "./styles/markdown.css";
import "./theme";
import { watchServer } from "./server";
import { Shell } from "./shell";

watchServer();
render(<Shell />, document.getElementById("app")!);
