// The types of freshet.js, for pages that are written in TypeScript. Copy this file and
// freshet-api.d.ts, which has the types of all bodies and answers, into your project.
import type {
  Calls,
  FallbackAnswer,
  LookAlikesAnswer,
  NewAnswer,
  PictureBody,
  PopularAnswer,
  RankedAnswer,
  RecommendationBody,
  ReleaseAnswer,
  SearchAnswer,
  SimilarAnswer,
  TrendingAnswer,
} from "./freshet-api";

export interface Options {
  /** The gateway's address. Default: where freshet.js came from. */
  url?: string;
  /** A browser key. Without keys, the gateway answers pages of its own machine alone. */
  key?: string;
  /** Whether the visitor agreed. Default: what the visitor decided last; false at first. */
  consent?: boolean;
  /** A logged-in user: a keyed hash of the account's number. Default: a random id of the visitor. */
  user?: string;
}

/** Optional details of an event; docs/data.md has their bounds. */
export interface Details {
  rating?: number;
  value?: number;
  currency?: string;
  quantity?: number;
  dwell_s?: number;
  query?: string;
  recommendation_id?: string;
}

/** What a question that was refused or not answered throws. */
export interface CallError extends Error {
  /** Missing when the gateway could not be reached. */
  status?: number;
  field?: string;
  retryAfter_s?: number;
}

type Parameters<Call extends keyof Calls> = Calls[Call] extends { query: infer Query }
  ? Query
  : never;

export interface Freshet {
  /** Start. Call it once, before everything else. */
  init(options?: Options): void;
  /** Say that the visitor agreed, or withdrew: then everything stored is deleted. */
  consent(given: boolean): void;
  /** Store an event; it is sent within a second, or when there is a connection. */
  track(type: string, itemId: string | number, details?: Details): void;
  view(itemId: string | number, details?: Details): void;
  click(itemId: string | number, details?: Details): void;
  /** Report that an item's element is seen and clicked. `recommendationId` names its list. */
  shown(element: Element, itemId: string | number, recommendationId?: string): void;
  /** Ask for a list for this visitor, or without consent for anybody. */
  recommend(question?: RecommendationBody): Promise<RankedAnswer | FallbackAnswer>;
  similar(
    itemId: string | number,
    parameters?: Parameters<"GET /v1/items/{item_id}/similar">,
  ): Promise<SimilarAnswer>;
  /** Find items that look like a picture. */
  lookAlikes(picture: Blob, parameters?: Omit<PictureBody, "picture">): Promise<LookAlikesAnswer>;
  /** Ask for the addresses of items' thumbnails, by item id. */
  pictures(itemIds: (string | number)[]): Promise<Record<string, string>>;
  /** The addresses of all pictures of an item, the main one first; empty if it has none. */
  picturesOf(itemId: string | number): Promise<string[]>;
  popular(parameters?: Parameters<"GET /v1/popular">): Promise<PopularAnswer>;
  trending(parameters?: Parameters<"GET /v1/trending">): Promise<TrendingAnswer>;
  newest(parameters?: Parameters<"GET /v1/new">): Promise<NewAnswer>;
  /** Find items by words of their titles and by meaning. */
  search(parameters: Parameters<"GET /v1/search">): Promise<SearchAnswer>;
  /** Ask which release is live, and how old its weights are. */
  release(): Promise<ReleaseAnswer>;
  /** The visitor's random id; null without consent. */
  readonly visitor: string | null;
}

declare global {
  const freshet: Freshet;
  interface Window {
    freshet: Freshet;
  }
}
