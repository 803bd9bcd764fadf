// Types only: what the description of the API says must be what the page believes. `npm run types` writes api.gen.ts from
// openapi/openapi.json; a field that was renamed there is then an error here.

import type * as Ours from "./api";
import type { components } from "./api.gen";
import type * as Compare from "./compare/types";

type Schemas = components["schemas"];
/** The description calls a field that may be null optional; the server always sends it. */
type Sent<T> = T extends object ? { [K in keyof T]-?: Sent<Exclude<T[K], undefined>> } : T;
/** Fails to compile unless every value of the API is one that the page takes. */
type Takes<Page, _Api extends Page> = true;

export type Checked = [
  Takes<Ours.Conversation, Sent<Schemas["Conversation"]>>,
  Takes<Ours.Message, Sent<Schemas["Message"]>>,
  Takes<Ours.Whole, Sent<Schemas["WholeConversation"]>>,
  Takes<Omit<Ours.Hit, "highlights">, Sent<Schemas["SearchHit"]>>,
  Takes<Omit<Ours.PullEvent, "status">, Sent<Schemas["PullEvent"]>>,
  Takes<Omit<Compare.Comparison, "request">, Sent<Schemas["Comparison"]>>,
  Takes<Ours.StoreState, Sent<Schemas["StoreStatus"]>>,
  Takes<Ours.ServerInfo, Sent<Schemas["ServerInfo"]>>,
  Takes<Omit<Ours.Model, "status">, Sent<Schemas["Model"]>>,
  Takes<Ours.CatalogEntry, Sent<Schemas["CatalogEntry"]>>,
];
