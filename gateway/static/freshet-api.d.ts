// The bodies and answers of the gateway's calls, written from its OpenAPI by:
// python -m tests.architecture.typescript

/** The process answers. */
export interface AliveAnswer {
  /** Always `alive`. */
  status?: "alive";
}

/** An item that a policy might have chosen for a place. */
export interface AlternativeItem {
  /** The item's id. */
  id: string;
  /**
   * Orders the list and means nothing else: scores of two answers or releases cannot be compared.
   */
  score: number;
  /** Its probability there, given the items before it. */
  propensity: number;
}

/** An arm and what was measured of it; null where nothing was measured yet. */
export interface ArmAnswer {
  /** Its name. */
  name: string;
  /** Its planned share of the users. */
  share: number;
  /** The placement of its lists. */
  placement?: string | null;
  /** Rules that replace those of the placement. */
  rules?: Record<string, unknown>;
  /** The release that makes its lists. */
  release?: number | null;
  /** Users who were served a list. */
  users: number;
  /** The reward per user and day; of interleaved lists, per list. */
  reward: number | null;
  /** How many items it shows in as many places of lists as the arm with the fewest. */
  explored: number | null;
  /** Lists that the gateways answered. */
  answers: number;
  /** Lists that the model refused by the arm's rules. */
  errors: number;
  /** The mean time of an answer. */
  mean_ms: number | null;
}

/** An arm. Without `placement` and `rules` its lists stay as they are. */
export interface ArmBody {
  /** Its name. */
  name: string;
  /** Of the experiment's users; the sum is 1. Default: equal shares. */
  share?: number | null;
  /** The placement whose rules its lists follow. */
  placement?: string | null;
  /** Rules that replace those of the placement. */
  rules?: PlacementBody | null;
  /** The release that makes its lists. Default: the live. */
  release?: number | null;
}

/** The event id that was assigned to a record without one. */
export interface AssignedId {
  /** The record's place in the call, from 0. */
  index: number;
  /** A UUIDv7; later ones are greater. */
  event_id: string;
}

/** Items that match get `add` spreads on their score; a negative number buries them. */
export interface BoostBody {
  /** The attribute. */
  attribute: string;
  /** The value that it equals or contains; of a list, any of the values. */
  value: string | number | string[];
  /** Spreads of the list's scores. */
  add: number;
}

/** An arm compared with the first one. */
export interface ComparisonAnswer {
  /** The arm. */
  arm: string;
  /**
   * Its reward per user and day minus the control's, adjusted; of interleaved lists, the reward per
   * list of its items minus that of the control's.
   */
  difference: number;
  /** Lower end of the interval, which holds at all times; null for none. */
  low: number | null;
  /** Upper end of the interval; null for none. */
  high: number | null;
  /** The always-valid p-value. */
  p_value: number;
  /** `same`: any difference is surely smaller than the effect. */
  finding: "better" | "worse" | "same" | "harmful" | "undecided";
  /** Guardrails that it harms. */
  harmed: string[];
}

/** A text that the facts of its items support. */
export interface CopyAnswer {
  /** The text. */
  text: string;
  /** Who wrote it: a language model (`writer`), a `template`, or an `editor`. */
  source: "writer" | "template" | "editor";
  /** What kind of text it is. */
  kind: "reason_line" | "item_blurb" | "row_title" | "newsletter";
  /** The language of the text. */
  language: "en" | "zh";
  /** The SHA-256 of the brief: all that the text may say. An editor names a text by it. */
  digest: string;
}

/** What to write about, and for whom. A field that is null counts as missing. */
export interface CopyBody {
  /** The items. A `reason_line` and an `item_blurb` are about one. */
  item_ids: (string | number)[];
  /**
   * `reason_line`: a line that says why the item is shown; `item_blurb`: what the item is;
   * `row_title`: a title for the items; `newsletter`: a paragraph about them.
   */
  kind?: "reason_line" | "item_blurb" | "row_title" | "newsletter" | null;
  /**
   * The reader, whose stored history is read. Default: nobody, or the reader with this `history`.
   */
  user_id?: string | number | null;
  /** Ids of items that the reader looked at, newest last. */
  history?: (string | number)[] | null;
  /** A segment of readers by what they like: one attribute and its values. */
  audience?: Record<string, string | string[]> | null;
  /** `en` or `zh`. Default: by `Accept-Language`, then `copy.language`. */
  language?: "en" | "zh" | null;
  /** `plain`, `warm` or `lively`. Default: `copy.tone`. */
  tone?: "plain" | "warm" | "lively" | null;
  /**
   * The longest text in characters. Default: `copy.max_chars`, and four times as many for a
   * newsletter.
   */
  max_chars?: number | null;
  /** Where the text will be shown. */
  placement?: string | null;
  /** How long a language model may take. After it, the template is returned. Default: 5. */
  timeout_s?: number | null;
}

/** What this hour's writing cost, and what it may cost. */
export interface CopyBudgetStatus {
  /** Seconds that writers worked. */
  seconds: number;
  /** In the currency of the prices in the settings. */
  cost: number;
  /** `copy.seconds_per_hour`. */
  seconds_budget: number;
  /** `copy.cost_per_hour`; null without a limit. */
  cost_budget: number | null;
  /** The used share of one of the two: of the one that is scarcer. */
  used: number;
}

/** What writing cost in the last 24 hours, and what it gave. */
export interface CopyCostStatus {
  /** Seconds that writers worked. */
  seconds: number;
  /** In the currency of the prices in the settings. */
  cost: number;
  /** Tokens that writers read. */
  prompt_tokens: number;
  /** Tokens that writers wrote. */
  output_tokens: number;
  /** Texts that the verifier accepted. */
  num_written: number;
  /** Briefs whose two texts were rejected; their templates are shown. */
  num_templates: number;
}

/** What is shown now. */
export interface CopyDecisionAnswer {
  /** The text of the brief. */
  shown: CopyText;
  /** What the verifier objects to in an editor's text, which is shown. */
  objections?: CopyObjection[];
}

/** What an editor decides about the text of a brief. */
export interface CopyDecisionBody {
  /**
   * `pin` keeps the writer's text, `edit` shows `text`, `ban` shows the template: whoever writes
   * later.
   */
  action: "pin" | "edit" | "ban";
  /** The editor's text, on one line. Only with `edit`. */
  text?: string | null;
}

/** What the verifier objects to in a text. */
export interface CopyObjection {
  /** The rule that the text breaks. */
  rule: "names" | "titles" | "roles" | "numbers" | "dates" | "genres" | "comparisons" | "claims" | "support" | "wording" | "attribution" | "predicates" | "language" | "length" | "ending" | "repetition" | "unsafe" | "instructions";
  /** The words that break it. */
  words: string;
}

/** Who writes texts about items, which texts answers had, and what the verifier rejected. */
export interface CopyStatus {
  /** The live writer; null while templates alone are shown. */
  writer: string | null;
  /** Texts in answers of the last 24 hours, by who wrote them. */
  shown: Record<string, number>;
  /** The share of these that were ready; null if none was shown. */
  hit_share: number | null;
  /** Briefs that wait for the writer. */
  waiting: number;
  /** The last 24 hours. */
  last_day: CopyCostStatus;
  /** The budget of this hour. */
  this_hour: CopyBudgetStatus;
  /** How many texts broke each rule of the verifier since the beginning. */
  rules: Record<string, number>;
}

/** What is shown for a brief, who wrote it, and what was rejected before it. */
export interface CopyText {
  /** The SHA-256 of the brief. */
  digest: string;
  /** What kind of text it is. */
  kind: "reason_line" | "item_blurb" | "row_title" | "newsletter";
  /** The language of the text. */
  language: "en" | "zh";
  /** Where it is shown, if that was named. */
  placement?: string | null;
  /** Titles of the items that it is about. */
  titles: string[];
  /** The text. */
  text: string;
  /** Who wrote it: a language model (`writer`), a `template`, or an `editor`. */
  source: "writer" | "template" | "editor";
  /** What an editor decided, if one did. */
  action: "pin" | "edit" | "ban" | null;
  /** Which editor. */
  decided_by: string | null;
  /** When it was written or decided; null while it waits for a writer. */
  at: string | null;
  /** Texts of the writer that are not shown. */
  rejected: RejectedCopy[];
}

/** Texts, newest first. */
export interface CopyTextList {
  /** The texts. */
  texts: CopyText[];
}

/** The run that is under way. */
export interface CurrentRunStatus {
  /** The run's number. */
  run_id: number;
  /** What it makes; null for a skipped turn. */
  mode: string | null;
  /** How it ended; null while it runs. */
  outcome: "published" | "refused" | "skipped" | "failed" | "superseded" | "held" | "abandoned" | null;
  /** The version that it made, if any. */
  version: number | null;
  /** When it started. */
  started_at: string;
  /** When it ended; null while it runs. */
  ended_at: string | null;
  /** How many equal skipped turns are counted in this row. */
  count: number;
  /** The time of each step. */
  seconds: Record<string, number>;
  /** Its metrics, by name. */
  figures: Record<string, number>;
  /** Why it ended so. */
  reasons: ReasonStatus[];
  /** How far the trainer is; null between trainings. */
  progress: ProgressStatus | null;
}

/** What a person decided about what is live. */
export interface DecisionStatus {
  /** When it was decided. */
  at: string;
  /** What was decided. */
  action: "rollback" | "promote" | "pause" | "resume" | "promote_trial" | "stop_trial";
  /** The version of a rollback or promotion, otherwise null. */
  version: number | null;
  /** Who decided. */
  by: string;
  /** Why, if a reason was given. */
  why: string | null;
}

/** An item that was deleted. */
export interface DeletedItem {
  /** The item's id. */
  item_id: string;
  /** Always true. */
  deleted?: true;
  /** When. A record of a later time brings the item back. */
  at: string;
}

/** A placement that was deleted. */
export interface DeletedPlacement {
  /** The placement's name. */
  name: string;
  /** Always true. */
  deleted?: true;
}

/** A call that was not carried out. */
export interface ErrorResponse {
  /** Why it was refused. */
  error: PersonalizerError;
}

/** Something that a user did to an item. */
export interface EventBody {
  /**
   * The user: text of 1 to 512 characters without control characters, or a whole number. Words for
   * nobody, such as `null`, are refused.
   */
  user_id: string | number;
  /**
   * The item: text of 1 to 512 characters without control characters. A whole number is the id of
   * its decimal string: 17 and "17" are the same.
   */
  item_id: string | number;
  /**
   * What happened: `view`, `click`, `add_to_cart`, `purchase`, or any word of yours. `rating` needs
   * a `rating`; `impression` is something shown and not chosen.
   */
  type: string;
  /** The rating, on your own scale. */
  rating?: number | null;
  /** What it was worth in all: the price times the quantity. */
  value?: number | null;
  /** The currency (ISO 4217). */
  currency?: string | null;
  /** How many. */
  quantity?: number | null;
  /** How long the user looked at the item, in seconds. */
  dwell_s?: number | null;
  /** The search that led to the item. */
  query?: string | null;
  /** The list of recommendations that showed the item. */
  recommendation_id?: string | number | null;
  /**
   * When it happened: ISO 8601 or epoch seconds, from 1990 on, at most five minutes ahead of the
   * gateway's clock. Missing or null is now. No time zone is UTC.
   */
  at?: string | number | null;
  /**
   * Makes a repeat harmless: the same id counts once. A UUIDv7 is assigned and returned when it is
   * missing or null.
   */
  event_id?: string | number | null;
}

/** An experiment and what it says so far. */
export interface ExperimentAnswer {
  /** Its name. */
  name: string;
  /** Whether users are divided, or lists interleaved. */
  kind: "ab" | "interleaving";
  /** The placement whose lists take part; null for all. */
  placement: string | null;
  /** Its layer. */
  layer: string;
  /** Its share of all users. */
  share: number;
  /** Days until the share is whole. */
  ramp_days: number;
  /** The relative effect worth finding. */
  effect: number;
  /** When it was started. */
  started_at: string;
  /** Who started it. */
  started_by: string;
  /** When it ended; null while it runs. */
  ended_at: string | null;
  /** Who stopped it, or `its statistics`. */
  ended_by: string | null;
  /** Why it was stopped. */
  why: string | null;
  /** The best arm, if it ended by itself. */
  winner: string | null;
  /** When it was measured last. */
  measured_at: string | null;
  /** `broken`: the arms do not have their shares of the users. */
  state: "broken" | "decided" | "undecided" | null;
  /** The state in a sentence. */
  reason: string | null;
  /** The always-valid p-value of the arms' shares; null if both arms are in every list. */
  sample_ratio_p: number | null;
  /** The first is the control. */
  arms: ArmAnswer[];
  /** The other arms, with the first one. */
  comparisons: ComparisonAnswer[];
}

/** An experiment to start. The first arm is the control. */
export interface ExperimentBody {
  /**
   * `ab`: each user is in one arm. `interleaving`: the lists of two arms are drafted into one for
   * each user.
   */
  kind?: "ab" | "interleaving";
  /** The placement whose lists take part; null for all lists. */
  placement?: string | null;
  /** Experiments of one layer share no users. */
  layer?: string;
  /** Of all users. */
  share?: number;
  /** Days until the share is whole; it grows evenly. */
  ramp_days?: number;
  /** The relative effect worth finding. */
  effect?: number;
  /** What an event of each type counts. Default: the setting `reward.weights`. */
  reward?: Record<string, number> | null;
  /** The arms. */
  arms: ArmBody[];
}

/** Experiments. */
export interface ExperimentList {
  /** The running first, then the newest. */
  experiments: ExperimentAnswer[];
}

/** What exploring cost in the lists of a placement by a policy, in the last week. */
export interface ExplorationStatus {
  /** Null for lists without one. */
  placement: string | null;
  /** The policy. */
  policy: string;
  /** When it was measured. */
  measured_at: string;
  /** Lists of users by a policy that explores. */
  num_slates: number;
  /** The items of these lists. */
  num_items: number;
  /** The share of items that greedy lists would not have; null if that is unknown. */
  moved_share: number | null;
  /** The reward of such a list. */
  earned: number;
  /** The reward of a greedy list minus that; null if it is unknown. */
  given_up: number | null;
  /** The lower end of its interval. */
  low: number | null;
  /** The upper end of its interval. */
  high: number | null;
  /** Why something is unknown. */
  why_unknown: string | null;
  /**
   * What the estimate assumes: rewards depend on no item below (`cascade`), or on the item and its
   * place alone (`place`).
   */
  assumes: "cascade" | "place" | null;
}

/**
 * Something that is known about an item or another entity. Records with the same head, relation and
 * tail are about one fact; the latest `at` counts.
 */
export interface FactBody {
  /**
   * What the fact is about: the id of an item, or of any other entity. Text of 1 to 512 characters
   * without control characters, or a whole number.
   */
  head: string | number;
  /** How head and tail are related. `name` says how the head is called. */
  relation: string | number;
  /** What the head is related to: an id as that of `head`, or a name. */
  tail: string | number;
  /** Whether the fact no longer holds. */
  withdrawn?: boolean;
  /**
   * When it happened: ISO 8601 or epoch seconds, from 1990 on, at most five minutes ahead of the
   * gateway's clock. Missing or null is now. No time zone is UTC.
   */
  at?: string | number | null;
  /**
   * Makes a repeat harmless: the same id counts once. A UUIDv7 is assigned and returned when it is
   * missing or null.
   */
  event_id?: string | number | null;
}

/** What two items have in common. */
export interface FactEntity {
  /** The entity's id. */
  id: string;
  /** How it is called; null if no fact says so. */
  name: string | null;
}

/** Facts that relate an item to an item of the history: one, or two over an entity. */
export interface FactPath {
  /** The item of the history. */
  item: NamedItem;
  /**
   * How the recommended item is related to `via`, or, without it, to `item`. Null if a fact of
   * `item` names the recommended item.
   */
  relation: string | null;
  /** The entity between the two; null if one fact names both items. */
  via: FactEntity | null;
  /** How `item` is related to `via`, or, without it, to the recommended item. */
  item_relation: string | null;
}

/** The popular items of the live release, while the model server does not answer. */
export interface FallbackAnswer {
  /** Names this answer: a UUIDv7. */
  recommendation_id: string;
  /** The user who was asked for; null for a visitor without an id. */
  user_id: string | null;
  /** The session that was asked for. Only for a visitor without an id. */
  session_id?: string | null;
  /** The release whose popular items these are; null before the first. */
  model_version: number | null;
  /** How the list was chosen: by popularity. */
  policy?: "popular";
  /** At most `k` items, most popular first, after the placement's rules. */
  items: (FallbackItem | PinnedItem)[];
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
  /** The placement whose rules the list follows. Only when one was named. */
  placement?: string | null;
  /**
   * Rules of the placement that could not be applied: those that need the model, and the policy, in
   * a fallback; the minimum rating in data without ratings; those that the live release does not
   * know, since it is older. Only when there are any.
   */
  not_applied?: string[];
  /** The experiment that the list is part of. Only when there is one. */
  experiment?: string | null;
  /**
   * The arm of the experiment that the user is in; an interleaved list has a `team` at each item
   * instead.
   */
  arm?: string | null;
  /** Always true. */
  fallback?: true;
  /** Why the model did not answer. */
  reason: string;
}

/** A popular item. */
export interface FallbackItem {
  /** The place in the list, from 1. */
  rank: number;
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /** Why the item was recommended. Only with `explain`. */
  reason?: ItemReason | null;
  /**
   * The rules of the placement that changed the item's rank, in order. Only with `explain` and a
   * placement with rules.
   */
  moved?: RuleMove[] | null;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** What became of the events of one call. Accepted ones are durable. */
export interface ForeignAnswer {
  /** Events that were stored: one for each product. */
  accepted: number;
  /** Events whose id the event log holds already. */
  duplicates: number;
  /** The first 1,000 events that were not stored, in the sender's words. */
  rejected: RejectedRecord[];
  /** How many more were rejected. Only when there are more than 1,000. */
  more_rejected?: number | null;
  /** What the mapping does not name, the most frequent 100 names. */
  ignored?: IgnoredEvents[];
  /** How many more events were ignored, of other names. */
  more_ignored?: number | null;
}

/** A user who is forgotten: a cold user from the next call on. */
export interface ForgottenUser {
  /** The user. */
  user_id: string;
  /** Always true. */
  forgotten?: true;
  /** Everything that the user did before this time is erased. */
  up_to: string;
}

/** A found item. */
export interface FoundItem {
  /** The place in the list, from 1. */
  rank: number;
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /**
   * Orders the list and means nothing else: scores of two answers or releases cannot be compared.
   */
  score: number;
  /**
   * How the item was found. `exact`: its title has just the words of `q`. `title`: its title has
   * some of them. `text`: by what its text means. `picture`: by what its picture shows alone.
   */
  match: "exact" | "title" | "text" | "picture";
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** New items get `add` spreads, halved with each half-life. */
export interface FreshnessBody {
  /** Spreads of a new item. */
  add: number;
  /** A number of s, m, h, d or w. */
  half_life: string;
  /** Its date gives the item's age; without it, the first record does. */
  attribute?: string | null;
}

/** A body of the Measurement Protocol. */
export interface Ga4Body {
  /** The events. */
  events: Ga4Event[];
  /** A visitor without a user id. */
  client_id?: string | number | null;
  /** The user. */
  user_id?: string | number | null;
  /** When the events without a time of their own happened; default now. */
  timestamp_micros?: number | string | null;
}

/** An event of Google Analytics 4. */
export interface Ga4Event {
  /** The name of the event. */
  name: string;
  /** `items`, a list; `currency`; of a purchase, `transaction_id`. */
  params: Record<string, unknown>;
  /** When it happened, in microseconds since 1970. */
  timestamp_micros?: number | string | null;
}

/** Something that the user did, newest last. Either `id` or `text` names the item. */
export interface HistoryElementBody {
  /** The item's id. */
  id?: string | number | null;
  /** Free text in place of an id; it is never looked up. */
  text?: string | null;
  /** What the user did. Default: `rating` with a rating, otherwise `view`. */
  type?: string | null;
  /** The rating, on the data's scale. */
  rating?: number | null;
  /** When it happened: ISO 8601 or epoch seconds, from 1990 on. */
  at?: string | number | null;
}

/** Something that the user did. */
export interface HistoryEvent {
  /** The event's id. */
  event_id: string;
  /** The item. */
  item_id: string;
  /** The item's title; null when it has no record. */
  title: string | null;
  /** What the user did. */
  type: string;
  /** The rating, if any. */
  rating?: number | null;
  /** When. */
  at: string;
}

/** A page of a user's history. */
export interface HistoryPage {
  /** The user who was asked for. */
  user_id: string;
  /** At most `limit` events, the newest first. An unknown user has none. */
  events: HistoryEvent[];
  /**
   * The `cursor` of the next page; null at the end. A page may have fewer items than asked for,
   * even none, and not be the last.
   */
  next_cursor: string | null;
}

/** Publishing is paused until somebody resumes it. */
export interface HoldStatus {
  /** Why it was paused. */
  reason: string;
  /** When it was paused. */
  since: string;
}

/** The events that were collected in one hour. */
export interface HourStatus {
  /** When the hour began. */
  at: string;
  /** Their number by type. */
  events: Record<string, number>;
  /** Of these, the ones with a `recommendation_id`. */
  of_lists: Record<string, number>;
}

/** Events that the mapping does not name. */
export interface IgnoredEvents {
  /** The name of the event, cut after 64. */
  event: string;
  /** How many of the call. */
  count: number;
}

/** An item, as its newest record describes it. */
export interface ItemAnswer {
  /** The item's id. */
  item_id: string;
  /** The title. */
  title: string;
  /** The description; null without one. */
  text: string | null;
  /** Facts to filter by. */
  attributes: Record<string, string | number | string[]>;
  /**
   * Its pictures, the main one first. One that was sent as bytes has its name in the artifact
   * store.
   */
  images: string[];
  /** Whether the item is left out of all lists of recommendations. */
  hidden: boolean;
  /** The time of the record. */
  at: string;
  /** The earliest time of a record of this item. */
  first_at: string;
  /** The first 200 facts about the item. Only of a single item that has any. */
  facts?: ItemFact[] | null;
  /**
   * The paths of the thumbnails on this gateway, the main one first. Only of a single item that has
   * any and is not hidden.
   */
  pictures?: string[] | null;
}

/** What is known about an item. The record with the latest `at` replaces the others. */
export interface ItemBody {
  /**
   * The item: text of 1 to 512 characters without control characters. A whole number is the id of
   * its decimal string: 17 and "17" are the same.
   */
  item_id: string | number;
  /** The title, which answers return and the text encoder reads. */
  title: string;
  /** A description, which the text encoder reads. */
  text?: string | null;
  /** Facts to filter by: strings, numbers or lists of strings. */
  attributes?: Record<string, string | number | string[]> | null;
  /**
   * Pictures, the main one first: URLs, `file:///` paths of the worker, `data:image/…;base64,`
   * pictures, or `artifact:pictures/` names. The worker fetches them, from allowed hosts alone.
   */
  images?: string[] | null;
  /** Leave the item out of all recommendations, from the next call on. */
  hidden?: boolean;
  /**
   * When it happened: ISO 8601 or epoch seconds, from 1990 on, at most five minutes ahead of the
   * gateway's clock. Missing or null is now. No time zone is UTC.
   */
  at?: string | number | null;
  /**
   * Makes a repeat harmless: the same id counts once. A UUIDv7 is assigned and returned when it is
   * missing or null.
   */
  event_id?: string | number | null;
}

/**
 * What to change in an item: a JSON merge patch (RFC 7396). A field that is missing stays; null
 * removes it, or makes it what it is by default.
 */
export interface ItemChangeBody {
  /** A new title. An item can't be without one, so null is refused. */
  title?: string | null;
  /** A new description; null removes it. */
  text?: string | null;
  /**
   * Attributes to set; those that are null are removed, and those that are missing stay. Null
   * removes all.
   */
  attributes?: Record<string, string | number | string[] | null> | null;
  /** The new pictures, in place of all earlier ones; null removes them. */
  images?: string[] | null;
  /** Leave the item out of all lists, or no longer; null is false. */
  hidden?: boolean | null;
}

/** A text that may be shown with an item. */
export interface ItemCopy {
  /** The text. */
  text: string;
  /** Who wrote it: a language model (`writer`), a `template`, or an `editor`. */
  source: "writer" | "template" | "editor";
}

/** A fact about the item of an answer. */
export interface ItemFact {
  /** The relation. */
  relation: string;
  /** What the item is related to. */
  tail: string;
  /**
   * How the tail is called: the title of an item, or the tail of its fact `name`. Only when it has
   * one.
   */
  name?: string | null;
}

/** Why an item was recommended. */
export interface ItemReason {
  /** At most three items of the history, the greatest share first. */
  nearest?: NearItem[];
  /** The item's values of attributes that one of the nearest items has too. */
  shared: Record<string, (string | number)[]>;
  /** It is among the 1 % of items (at least 10) with most interactions. */
  popular: boolean;
  /** The release counted fewer than 5 interactions with it. */
  new: boolean;
  /**
   * At most three facts that it shares with items of the history, those first that the fewest items
   * share. Only of a release that knows facts.
   */
  facts?: FactPath[] | null;
}

/** A page of items. */
export interface ItemsPage {
  /** At most `limit` items, in order of id. */
  items: ItemAnswer[];
  /**
   * The `cursor` of the next page; null at the end. A page may have fewer items than asked for,
   * even none, and not be the last.
   */
  next_cursor: string | null;
}

/** The events that name a list of one release, collected within 7 days after the list. */
export interface ListsStatus {
  /** Their number by type. */
  events: Record<string, number>;
  /** Clicks by impressions; null without impressions. */
  click_through_rate: number | null;
  /** Purchases by clicks; null without clicks. */
  conversion_rate: number | null;
}

/** The live release. */
export interface LiveStatus {
  /** Its version, as TorchServe names it. */
  version: number;
  /** Whether it is live now. */
  live: boolean;
  /** How it was made: `baseline`, `full`, `update` or `items`. */
  mode: string;
  /** The release whose weights it started from. */
  parent: number | null;
  /** When it first became live. */
  published_at: string;
  /** When it was last rolled back from. */
  rolled_back_at: string | null;
  /** The first and last journal number that it was trained on. */
  trained_range: [number, number] | null;
  /** Items in its catalogue. */
  num_items: number;
  /** The name of its archive. */
  archive: string;
  /** Whether its archive was deleted. */
  archive_gone: boolean;
  /** Its NDCG@10 on the panel; null when that was not measured recently. */
  ndcg: number | null;
  /** Its metrics, by name. */
  figures: Record<string, number>;
  /** The gate's verdict; empty when its run is not a recent one. */
  reasons: ReasonStatus[];
  /** The events that its lists of recommendations led to. */
  lists: ListsStatus;
  /** Seconds since it was published. */
  age_s: number;
}

/** The items whose pictures look most like one. */
export interface LookAlikesAnswer {
  /** At most `k` items with pictures, the most similar first. */
  items: SimilarItem[];
  /** The release that answered. */
  model_version: number;
}

/** Which actions to show in several slots. No action is in two of them. */
export interface MultiSlotRankRequest {
  /** The actions of all slots. */
  actions: RankableAction[];
  /** The slots, in their order. */
  slots: SlotRequest[];
  /** Objects of features of the user, the device, the time. */
  contextFeatures?: Record<string, unknown>[] | null;
  /** Names the event in later calls and seeds the draw; one is made without it. */
  eventId?: string | null;
  /** True: the answer may never be shown, so the event waits for its activation. */
  deferActivation?: boolean | null;
}

/** The chosen actions of all slots. */
export interface MultiSlotRankResponse {
  /** In the order of the request. */
  slots: SlotResponse[];
  /** Names it in later calls. */
  eventId: string;
}

/** What the actions in slots earned. */
export interface MultiSlotRewardRequest {
  /** One reward for each slot. */
  reward: SlotReward[];
}

/** An item of the history. */
export interface NamedItem {
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
}

/** An item of the history that a recommended item is like. */
export interface NearItem {
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /**
   * The cosine of the two items' vectors over the sum of the positive cosines of all items of the
   * history.
   */
  share: number;
}

/** New items. */
export interface NewAnswer {
  /** At most `k` items, the newest first. */
  items: NewItem[];
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
}

/** A new item. */
export interface NewItem {
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /** The earliest time of a record of this item. */
  first_at: string;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** New items get a share of the slots until they are known. */
export interface NewItemsBudgetBody {
  /** The probability of each slot. */
  share: number;
  /** An item with so many impressions and other events is known. Default: 100. */
  impressions?: number | null;
  /** An item is new for so many days. Default: 14. */
  days?: number | null;
  /**
   * By how many spreads the score of an item that nobody has seen may be wrong. A new item then
   * comes only where it may be worth more than what it displaces.
   */
  doubt?: number | null;
}

/** Where the list will be shown. */
export interface PageContext {
  /**
   * The item that the visitor looks at. It is read as the newest view, the list leans to items like
   * it, and it is left out.
   */
  item_id: string | number;
}

/** Publishing is paused. */
export interface PauseAnswer {
  /** The hold; an earlier one stays, with its reason. */
  hold: HoldStatus;
}

/** Publish nothing until somebody resumes. */
export interface PauseBody {
  /** Why, on one line; stored and shown with the decision. */
  reason?: string | null;
}

/** Why a call was refused. */
export interface PersonalizerError {
  /** The kind of error. */
  code: string;
  /** One sentence for people. */
  message: string;
  /** The field or header at fault. */
  target?: string | null;
}

/** What was learned, and what the policies are worth on the newest 10,000 events or so. */
export interface PersonalizerStatus {
  /** `online` or `apprentice`. */
  mode: string;
  /** How many choices were learned. */
  learned: number;
  /** How many choices wait for their rewards. */
  waiting: number;
  /** How often the model would choose the usual action; null: no events. */
  agreement: number | null;
  /** What was shown. */
  served: PolicyValueAnswer | null;
  /** The model's own choices; null: they could not all be shown. */
  model: PolicyValueAnswer | null;
  /** The usual actions; null: they could not all be shown. */
  baseline: PolicyValueAnswer | null;
}

/** A picture to compare with those of the items. A field that is null counts as missing. */
export interface PictureBody {
  /** The picture in base64: PNG, JPEG, WebP, GIF or BMP, at most 3,000,000 bytes. */
  picture: string;
  /** How many items. */
  k?: number;
  /** Only items with these values. */
  filter?: Record<string, string | number | boolean | unknown[] | Record<string, unknown> | null> | null;
  /** Attributes to return with each item, at most 20. */
  attributes?: string[] | null;
}

/** Where the thumbnails of items are. */
export interface PicturesAnswer {
  /**
   * By item id, the path of a JPEG on this gateway, which never changes. Items without one are left
   * out, and so are hidden ones.
   */
  pictures: Record<string, string>;
  /**
   * By item id, the paths of its other pictures, in their order. Items without any are left out.
   */
  more: Record<string, string[]>;
}

/** An item at a position, from 1. */
export interface PinBody {
  /** The item. */
  item_id: string;
  /** Its place in the list. */
  position: number;
  /** When it begins. */
  from?: string | number | null;
  /** When it ends. */
  until?: string | number | null;
}

/** An item that the placement pins to its place. It has no score and no propensity. */
export interface PinnedItem {
  /** The place in the list, from 1. */
  rank: number;
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /** Always true. */
  pinned?: true;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** A placement. */
export interface PlacementAnswer {
  /** The placement's name. */
  name: string;
  /** Where it was written. `api` overrides `settings` of the same name. */
  source: "api" | "settings";
  /** The placement, in the form of the body of `PUT /v1/placements/{name}`. */
  rules: Record<string, unknown>;
  /**
   * Attributes that no item of the live release has, or why they were not looked up. Only in the
   * answer to a write, and when there are any.
   */
  warnings?: string[];
}

/** The rules of a placement, in the order in which they are applied. */
export interface PlacementBody {
  /** How many items. */
  k?: number | null;
  /** Attributes that an item must have. */
  filter?: Record<string, string | number | string[]> | null;
  /** Event types whose items are left out for a time, or `forever`. */
  exclude?: Record<string, string> | null;
  /** Boosted and buried items. */
  boosts?: BoostBody[] | null;
  /** The boost of new items. */
  freshness?: FreshnessBody | null;
  /** The lowest predicted rating. */
  min_rating?: number | null;
  /** How strongly similar items are avoided. */
  diversity?: number | null;
  /** How many items may have the same value. */
  at_most?: Record<string, number> | null;
  /** Whether and how the lists explore. */
  policy?: PlacementPolicyBody | null;
  /** Items at fixed positions. */
  pins?: PinBody[] | null;
  /**
   * Texts about the items, where a question asks for them: `none`, those of templates alone
   * (`template`), or also those of a language model (`writer`, default).
   */
  copy?: "none" | "template" | "writer" | null;
}

/** A change of a placement. */
export interface PlacementChangeAnswer {
  /** When it was changed. */
  at: string;
  /** Whose key it was changed with. */
  by: string;
  /** Null: there was none. */
  before: Record<string, unknown> | null;
  /** Null: it was deleted. */
  after: Record<string, unknown> | null;
}

/** The newest changes of a placement, newest first. */
export interface PlacementChanges {
  /** The placement's name. */
  name: string;
  /** Newest first. */
  changes: PlacementChangeAnswer[];
}

/** All placements by name. */
export interface PlacementList {
  /** By name. */
  placements: PlacementAnswer[];
}

/** How the lists explore. */
export interface PlacementPolicyBody {
  /** The policy. */
  name: "greedy" | "epsilon" | "plackett_luce" | "thompson" | "ucb";
  /** Of `epsilon`: the probability of any item of the pool. */
  epsilon?: number | null;
  /** Of `plackett_luce`: spreads of the list's scores. */
  temperature?: number | null;
  /** Of `ucb`: standard deviations above the mean that are hoped for. */
  width?: number | null;
  /** The chance of new items. */
  new_items?: NewItemsBudgetBody | null;
}

/** A mean reward for an event, with its 95 % interval. */
export interface PolicyValueAnswer {
  /** The mean reward. */
  mean: number;
  /** The interval's lower end. */
  low: number;
  /** The interval's upper end. */
  high: number;
}

/** Popular items. */
export interface PopularAnswer {
  /** At most `k` items, the most popular first. */
  items: PopularItemAnswer[];
  /**
   * The release whose popular items these are; null with a window, and before the first release.
   */
  model_version: number | null;
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
}

/** A popular item. */
export interface PopularItemAnswer {
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /** Its events in the window; missing without a window. */
  events?: number | null;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** What the policies that learn from rewards know. */
export interface PosteriorStatus {
  /** It grows with each change. */
  version: number;
  /** When it changed last. */
  at: string;
  /** Lists that it has read. */
  lists: number;
  /** Rewards of their items. */
  rewards: number;
  /** Items that it has evidence of. */
  items: number;
}

/** A predicted rating. The header `X-Model-Version` names the release. */
export interface PredictionAnswer {
  /** The rating, on the data's own scale. */
  score: number;
}

/** One rating to predict. The model checks the fields and names the one at fault. */
export interface PredictionBody {
  /**
   * The user's history, newest last. A string is looked up as an id, then as an exact title, and is
   * read as free text otherwise; a whole number is an id. An empty list is a user without a
   * history.
   */
  user_seq: (string | number | HistoryElementBody)[];
  /** The item: a string, a whole number, or an object with `id` or `text`. */
  item_desc: string | number | HistoryElementBody;
}

/** How far the trainer is. */
export interface ProgressStatus {
  /** What it does now. */
  phase: string;
  /** Steps done in this phase. */
  done: number;
  /** Steps of this phase. */
  total: number;
  /** The newest loss. */
  loss: number | null;
  /** Processes that train together. */
  ranks: number;
  /** Where they run. */
  device: string | null;
  /** How often it was started; 1 without a crash. */
  starts: number;
  /** Events learned a second; null before. */
  events_s: number | null;
  /** Seconds left; null before the training. */
  left_s: number | null;
  /** Seconds since it last changed; many while it starts again. */
  silent_s: number;
}

/** Make a release live that was live before. */
export interface PromoteBody {
  /** A release's version. */
  version: number;
  /**
   * The version that the caller saw live. When another one is live, nothing is done, so that a
   * decision is about what its maker saw, and a call that is sent twice goes back once.
   */
  live?: number | null;
  /** Why, on one line; stored and shown with the decision. */
  reason?: string | null;
}

/** How probable a list would have been. */
export interface PropensitiesAnswer {
  /** The policy that was asked. */
  policy: "greedy" | "epsilon" | "plackett_luce" | "thompson" | "ucb";
  /**
   * For each item of `items`: the probability with which the policy would have chosen it for its
   * place, given the items before it. 0 for an item that the policy cannot choose there; null for
   * one that the placement pins.
   */
  propensities: (number | null)[];
  /** The release that answered. */
  model_version: number;
  /**
   * For each item of `items`, the likeliest ones for its place, which may include itself; null for
   * a pinned item. Null if none were asked for.
   */
  alternatives?: (AlternativeItem[] | null)[] | null;
}

/** A list, and for whom and where it was made. A field that is null counts as missing. */
export interface PropensitiesBody {
  /** The list in its order. Leave out what was pinned in it. */
  items: (string | number)[];
  /** The user, whose stored history is read. Default: a visitor without a history. */
  user_id?: string | number | null;
  /** The place that shows the list: its rules are applied. */
  placement?: string | null;
  /**
   * When the list is made: ISO 8601 or epoch seconds, from 1990 on. Later events of the stored
   * history are not read. Default: now.
   */
  at?: string | number | null;
  /** The policy. Default: the placement's; without one, `greedy`. */
  policy?: PlacementPolicyBody | null;
  /**
   * How many items the list was asked for; the pool that a policy chooses from depends on it.
   * Default: the number of `items`.
   */
  k?: number | null;
  /**
   * For each place, say also which so many items the policy would most probably have chosen, and
   * how probably. Default: 0.
   */
  alternatives?: number | null;
}

/** The ranking quality of one model on one set of events. */
export interface QualityStatus {
  /** The run that measured it. */
  run_id: number;
  /** `fresh`: scored before training. `panel`, `older`: the gate's sets. */
  kind: "fresh" | "panel" | "older";
  /** `live`, `candidate` or `popularity`, for example. */
  model: string;
  /** The model's version, if it had one. */
  version: number | null;
  /** NDCG@10. */
  ndcg: number;
  /** The error of predicted ratings. */
  rmse: number | null;
  /** Users measured. */
  num_users: number;
  /** Events measured. */
  num_events: number;
  /** When it was measured. */
  at: string;
}

/** Which of some actions to show. The first one is what the existing logic would show. */
export interface RankRequest {
  /** The actions, the usual one first. */
  actions: RankableAction[];
  /** Objects of features of the user, the device, the time. */
  contextFeatures?: Record<string, unknown>[] | null;
  /** Ids of actions that may not be chosen. */
  excludedActions?: string[] | null;
  /** Names the event in later calls and seeds the draw; one is made without it. */
  eventId?: string | null;
  /** True: the answer may never be shown, so the event waits for its activation. */
  deferActivation?: boolean | null;
}

/** The chosen action, and the others in the order of the model. */
export interface RankResponse {
  /** The chosen action first; excluded ones keep their places. */
  ranking: RankedAction[];
  /** Names it in later calls. */
  eventId: string;
  /** The action to show and to reward. */
  rewardActionId: string;
}

/** An action that may be chosen. */
export interface RankableAction {
  /** The action. */
  id: string;
  /** Objects of features. Texts are words, numbers are quantities. */
  features?: Record<string, unknown>[] | null;
}

/** An action and how likely it was chosen. */
export interface RankedAction {
  /** The action. */
  id: string;
  /** With what probability it was to be chosen. */
  probability: number;
}

/** Recommendations of the live model, best first. */
export interface RankedAnswer {
  /** Names this answer: a UUIDv7. */
  recommendation_id: string;
  /** The user who was asked for; null for a visitor without an id. */
  user_id: string | null;
  /** The session that was asked for. Only for a visitor without an id. */
  session_id?: string | null;
  /** The release that answered. */
  model_version: number;
  /**
   * How the list was chosen: `greedy`, the highest scores, or the policy of the placement;
   * `interleaved`: by two arms of an experiment in turn.
   */
  policy?: "greedy" | "epsilon" | "plackett_luce" | "thompson" | "ucb" | "interleaved";
  /** At most `k` items, best first; fewer when fewer are left. */
  items: (RankedItem | PinnedItem)[];
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
  /** The placement whose rules the list follows. Only when one was named. */
  placement?: string | null;
  /**
   * Rules of the placement that could not be applied: those that need the model, and the policy, in
   * a fallback; the minimum rating in data without ratings; those that the live release does not
   * know, since it is older. Only when there are any.
   */
  not_applied?: string[];
  /** The experiment that the list is part of. Only when there is one. */
  experiment?: string | null;
  /**
   * The arm of the experiment that the user is in; an interleaved list has a `team` at each item
   * instead.
   */
  arm?: string | null;
  /**
   * Ids of `candidates` and of `context` that the release does not know. Only when there are any.
   */
  unknown?: string[];
}

/** A recommended item. Not frozen, since each list makes ten: that takes a third of the time. */
export interface RankedItem {
  /** The place in the list, from 1. */
  rank: number;
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /**
   * Orders the list and means nothing else: scores of two answers or releases cannot be compared.
   */
  score: number;
  /** The predicted rating on the data's scale. Missing when the data has no ratings. */
  rating?: number | null;
  /** Why the item was recommended. Only with `explain`. */
  reason?: ItemReason | null;
  /**
   * The rules of the placement that changed the item's rank, in order. Only with `explain` and a
   * placement with rules.
   */
  moved?: RuleMove[] | null;
  /**
   * The probability with which the policy chose the item for its place, given the items before it.
   * Only when the placement has a policy that explores.
   */
  propensity?: number | null;
  /** The arm that picked the item. Only in an interleaved list. */
  team?: string | null;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** A live model answers. */
export interface ReadyAnswer {
  /** Always `ready`. */
  status?: "ready";
  /** The release that answered. */
  model_version: number;
}

/** One test of the gate, or why a run ended as it did. */
export interface ReasonStatus {
  /** The test's name. */
  name: string;
  /** Whether the candidate passed the test. */
  ok: boolean;
  /** The result in one sentence, with its numbers. */
  text: string;
  /** The number that was tested. */
  figure: number | null;
  /** The lower end of its interval. */
  low: number | null;
  /** The upper end of its interval. */
  high: number | null;
  /** The limit it was compared with. */
  limit: number | null;
}

/** What to recommend, and to whom. A field that is null counts as missing. */
export interface RecommendationBody {
  /**
   * The user, whose stored history is read. An unknown one is a cold user. This or `history` is
   * required.
   */
  user_id?: string | number | null;
  /**
   * The session of a visitor without a `user_id`: it keeps the visitor in one arm of an experiment,
   * and is recorded with the list. Not read with a `user_id`.
   */
  session_id?: string | number | null;
  /**
   * What the visitor did during this visit, newest last; it follows the stored history. A string is
   * looked up as an id, then as an exact title, and is read as free text otherwise; a whole number
   * is an id. An empty list is a visitor without a history.
   */
  history?: (string | number | HistoryElementBody)[] | null;
  /** How many items. */
  k?: number | null;
  /**
   * Attributes that an item must have. An attribute matches when it equals the value or is a list
   * that contains it; of a list of values one must match.
   */
  filter?: Record<string, string | number | string[]> | null;
  /** Ids to leave out. */
  exclude?: (string | number)[] | null;
  /** Leave out the user's newest 1,000 seen items and those of `history`. Default: true. */
  exclude_seen?: boolean | null;
  /**
   * Rank only these ids. Those that the release does not know are listed in the answer's `unknown`.
   */
  candidates?: (string | number)[] | null;
  /** Where the list will be shown. */
  context?: PageContext | null;
  /**
   * The time of the question: ISO 8601 or epoch seconds, from 1990 on. Later events of the stored
   * history are not read. Default: now.
   */
  at?: string | number | null;
  /**
   * The place that shows the list: its rules are applied. `k` and `exclude_seen` of this body
   * override its own; `filter` and `exclude` are added.
   */
  placement?: string | null;
  /** Attributes to return with each item, from the items' newest records. */
  attributes?: string[] | null;
  /** Return a `reason` with each item. Default: false. */
  explain?: boolean | null;
  /**
   * Return a line of text with each item that says why it is there, and a title of the list. It
   * waits for no language model. Default: false.
   */
  copy?: boolean | null;
  /** The language of `copy`: `en` or `zh`. Default: by `Accept-Language`, then `copy.language`. */
  language?: "en" | "zh" | null;
}

/** What became of the lists that this process of the gateway served since its start. */
export interface RecorderStatus {
  /** Whether lists are recorded: `slates.record`. */
  recording: boolean;
  /** Lists that are not stored yet. */
  waiting: number;
  /** Lists that are stored. */
  stored: number;
  /** Lists that are lost: the event log was away, or it can't hold them. */
  dropped: number;
}

/** What became of the records of one call. Accepted records are durable. */
export interface RecordsAnswer {
  /** Records that were stored. */
  accepted: number;
  /**
   * Records whose id the event log holds already. The journal finds the others later; each counts
   * once.
   */
  duplicates: number;
  /** The first 1,000 records that were not stored. */
  rejected: RejectedRecord[];
  /** How many more were rejected. Only when there are more than 1,000. */
  more_rejected?: number | null;
  /** The assigned ids. Only when a record came without an id. */
  event_ids?: AssignedId[] | null;
}

/** A request that was not carried out. */
export interface Refusal {
  /** Why the request was refused. */
  error: RefusalReason;
  /** The release that refused the request. Only when the model refused it. */
  model_version?: number | null;
}

/** What was wrong, and where. */
export interface RefusalReason {
  /**
   * The field, parameter, header or part of the request that is at fault. `server` when the request
   * is not at fault.
   */
  field: string | null;
  /** One sentence for people: what was found, and what was expected or what to do next. */
  reason: string;
}

/** A text of a writer that the verifier rejected. */
export interface RejectedCopy {
  /** The text. */
  text: string;
  /** Why. */
  objections: CopyObjection[];
}

/** A record that was not stored. */
export interface RejectedRecord {
  /** Its place in the call, from 0. */
  index: number;
  /** The field at fault; `record` for all of it. */
  field: string;
  /** What was found, and what was expected. */
  reason: string;
}

/** The live release. All fields are null before the first one. */
export interface ReleaseAnswer {
  /** The live release. */
  model_version: number | null;
  /** When its weights were trained. */
  trained_at: string | null;
  /** Seconds since then, by the gateway's clock. */
  age_s: number | null;
}

/** A release: an archive that is or was live. */
export interface ReleaseStatus {
  /** Its version, as TorchServe names it. */
  version: number;
  /** Whether it is live now. */
  live: boolean;
  /** How it was made: `baseline`, `full`, `update` or `items`. */
  mode: string;
  /** The release whose weights it started from. */
  parent: number | null;
  /** When it first became live. */
  published_at: string;
  /** When it was last rolled back from. */
  rolled_back_at: string | null;
  /** The first and last journal number that it was trained on. */
  trained_range: [number, number] | null;
  /** Items in its catalogue. */
  num_items: number;
  /** The name of its archive. */
  archive: string;
  /** Whether its archive was deleted. */
  archive_gone: boolean;
  /** Its NDCG@10 on the panel; null when that was not measured recently. */
  ndcg: number | null;
  /** Its metrics, by name. */
  figures: Record<string, number>;
  /** The gate's verdict; empty when its run is not a recent one. */
  reasons: ReasonStatus[];
  /** The events that its lists of recommendations led to. */
  lists: ListsStatus;
}

/** Publishing continues. */
export interface ResumeAnswer {
  /** Whether it was paused. */
  was_paused: boolean;
  /** All ranges of journal numbers that are never trained on. */
  excluded: [number, number][];
}

/** Publish again. */
export interface ResumeBody {
  /** Ranges of journal numbers, both ends inclusive, that are never trained on from now on. */
  exclude?: [number, number][];
  /** Why, on one line; stored and shown with the decision. */
  reason?: string | null;
}

/** What the shown action earned. */
export interface RewardRequest {
  /** The reward, usually between 0 and 1. */
  value: number;
}

/** Go back to an earlier release. */
export interface RollbackBody {
  /** Null or missing: the previous good release. */
  version?: number | null;
  /**
   * The version that the caller saw live. When another one is live, nothing is done, so that a
   * decision is about what its maker saw, and a call that is sent twice goes back once.
   */
  live?: number | null;
  /** Why, on one line; stored and shown with the decision. */
  reason?: string | null;
}

/** A rule of the placement that changed an item's rank. */
export interface RuleMove {
  /** `boosts[0]`, `freshness`, `min_rating`, `diversity`, `at_most`, `policy` or `pins`. */
  rule: string;
  /** The rank before the rule. */
  before: number;
  /** The rank after it. */
  after: number;
}

/** One turn of the cycle. */
export interface RunStatus {
  /** The run's number. */
  run_id: number;
  /** What it makes; null for a skipped turn. */
  mode: string | null;
  /** How it ended; null while it runs. */
  outcome: "published" | "refused" | "skipped" | "failed" | "superseded" | "held" | "abandoned" | null;
  /** The version that it made, if any. */
  version: number | null;
  /** When it started. */
  started_at: string;
  /** When it ended; null while it runs. */
  ended_at: string | null;
  /** How many equal skipped turns are counted in this row. */
  count: number;
  /** The time of each step. */
  seconds: Record<string, number>;
  /** Its metrics, by name. */
  figures: Record<string, number>;
  /** Why it ended so. */
  reasons: ReasonStatus[];
}

/** Found items. */
export interface SearchAnswer {
  /** The user who was asked for; null for a visitor without an id. */
  user_id: string | null;
  /** The release that answered. */
  model_version: number;
  /** At most `k` items, the best first. Empty when no item is left. */
  items: FoundItem[];
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
}

/** Lists that a candidate made in the background, beside those of the live release. */
export interface ShadowStatus {
  /** Pairs of lists that were compared. */
  compared: number;
  /** Questions that it did not answer. */
  errors: number;
  /** Questions that were left out under load. */
  dropped: number;
  /** Mean share of the items that both lists have. */
  overlap: number | null;
  /** Mean rank-biased overlap, which weighs the top more. */
  rank_biased_overlap: number | null;
  /** Its time divided by the live release's. */
  latency_ratio: number | null;
}

/** Similar items. */
export interface SimilarAnswer {
  /** The item that was asked for. */
  item_id: string;
  /** Its title; null when it is hidden, or no item record has come yet. */
  title: string | null;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** The release that answered. */
  model_version: number;
  /** At most `k` items, the most similar first. */
  items: SimilarItem[];
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
}

/** An item similar to another. */
export interface SimilarItem {
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /** The cosine of the items' vectors, or their mean. */
  score: number;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** The lists that were served and recorded, as far as they are collected. */
export interface SlatesStatus {
  /** Their number in the last 24 hours. */
  last_day: number;
  /** Of these, the popular items in place of the model's. */
  fallbacks: number;
}

/** A slot to fill. */
export interface SlotRequest {
  /** The slot. */
  id: string;
  /** The action of the existing logic; no two slots have the same. */
  baselineAction: string;
  /** Objects of features. Texts are words, numbers are quantities. */
  features?: Record<string, unknown>[] | null;
  /** Ids of actions that may not be chosen. */
  excludedActions?: string[] | null;
}

/** The chosen action of a slot. */
export interface SlotResponse {
  /** The slot. */
  id: string;
  /** The action to show and to reward. */
  rewardActionId: string;
}

/** What the action in one slot earned. */
export interface SlotReward {
  /** The slot. */
  slotId: string;
  /** The reward, usually between 0 and 1. */
  value: number;
}

/** The whole system at one moment. */
export interface StatusAnswer {
  /** The time of this answer. */
  at: string;
  /** The caller's roles: what it may do here. */
  roles: ("browser" | "write" | "read" | "operate")[];
  /** The live release, if any. */
  live: LiveStatus | null;
  /** Null unless publishing is paused. */
  hold: HoldStatus | null;
  /** The 20 newest decisions of people, newest first. */
  decisions: DecisionStatus[];
  /** Records not yet learned from. */
  waiting: WaitingStatus;
  /** The run under way, if any. */
  current_run: CurrentRunStatus | null;
  /** Newest first. */
  releases: ReleaseStatus[];
  /** What the gate decided lately. */
  updates: UpdatesStatus;
  /** Newest first. */
  runs: RunStatus[];
  /** Oldest first. */
  quality: QualityStatus[];
  /** The hours with events among the newest 48, oldest first. */
  events: HourStatus[];
  /** The lists that were served. */
  slates: SlatesStatus;
  /** The newest trials of candidates, newest first. */
  trials: TrialStatus[];
  /** Null while no policy has learned from rewards. */
  posterior: PosteriorStatus | null;
  /** What exploring costs. */
  exploration: ExplorationStatus[];
  /** How this process records lists. */
  recorder: RecorderStatus;
  /** Texts about items. */
  copy: CopyStatus;
  /** Where the first TorchServe node takes predictions. */
  endpoint: string;
  /** For each TorchServe node, whether its newest answer was usable. */
  in_service: Record<string, boolean>;
}

/** Stop an experiment. */
export interface StopBody {
  /** Why, on one line; stored and shown with the decision. */
  reason?: string | null;
}

/** A change of the live release. */
export interface SwitchAnswer {
  /** The version that is live, or will be. */
  version: number;
  /** The version that was live before. Only of a rollback. */
  was?: number | null;
  /**
   * Why the change is recorded and not carried out yet. The worker carries it out; do not send the
   * call again. Only with 202.
   */
  pending?: string | null;
  /** Null unless publishing is paused. */
  hold: HoldStatus | null;
}

/** Several calls of Segment or RudderStack. */
export interface TrackBatch {
  /** The calls. */
  batch: TrackCall[];
}

/** A `track` call of Segment or RudderStack. Calls of other types are counted as ignored. */
export interface TrackCall {
  /** The name of the event. */
  event: string;
  /** The product, or `products`, a list of them; and `currency`. */
  properties: Record<string, unknown>;
  /** The type of the call. */
  type?: "track";
  /** The user. Without one, it is `anonymousId`. */
  userId?: string | number | null;
  /** A visitor without a user id. */
  anonymousId?: string | number | null;
  /** Makes a repeat harmless: each event's id is made from it. */
  messageId?: string | number | null;
  /** When it happened, as ISO 8601; now if missing. */
  timestamp?: string | null;
}

/** Trending items. */
export interface TrendingAnswer {
  /** At most `k` items, the most unusual first. May be empty. */
  items: TrendingItem[];
  /** A title for the list: what most of its items have in common. Only with `copy`. */
  row_title?: ItemCopy | null;
}

/** An item whose share of the events grew. */
export interface TrendingItem {
  /** The item's id. */
  id: string;
  /** The item's title; null when no item record has come yet. */
  title: string | null;
  /**
   * How unusual its events are: the signed root of Dunning's likelihood ratio. About 3 is rare by
   * chance.
   */
  score: number;
  /** Its events in the window. */
  events: number;
  /** The events that it would have by its share of the four weeks before. */
  expected: number;
  /**
   * Those of the `attributes` asked for that the item's newest record has. Only when attributes
   * were asked for.
   */
  attributes?: Record<string, string | number | string[]> | null;
  /** A line that says why the item is in the list. Only with `copy`. */
  copy?: ItemCopy | null;
}

/** How a trial is going to end: the worker ends it in its next turn. */
export interface TrialAnswer {
  /** The candidate. */
  version: number;
  /** What was asked. */
  action: "promote" | "stop";
}

/** An arm of a canary. */
export interface TrialArmStatus {
  /** `control` or `candidate`. */
  name: string;
  /** Its share of the users. */
  share: number;
  /** Users who were served a list in it. */
  users: number;
  /** Reward per user and day; null without users. */
  reward: number | null;
  /** Lists that the gateways answered. */
  answers: number;
  /** Of these, the lists that another release had to make. */
  errors: number;
  /** Milliseconds per list; null without lists. */
  mean_ms: number | null;
}

/** End the trial of a candidate. */
export interface TrialBody {
  /** `promote` makes the candidate live, `stop` takes it back. */
  action: "promote" | "stop";
  /** The candidate that the caller saw. When another one is on trial, nothing is done. */
  version?: number | null;
  /** Why, on one line; stored and shown with the decision. */
  reason?: string | null;
}

/** What an accepted candidate goes through before it is live. */
export interface TrialStatus {
  /** The candidate's version. */
  version: number;
  /** The run that made it. */
  run_id: number;
  /** The release that it is compared with. */
  live: number;
  /** Share of users who get its lists; 0 for none. */
  canary_share: number;
  /** Share of lists that it makes in the background; 0 for none. */
  shadow_share: number;
  /** When it began. */
  started_at: string;
  /** When it ended; null while it runs. */
  ended_at: string | null;
  /** How it ended; `dropped` without a conclusion, null while it runs. */
  verdict: "promoted" | "taken_back" | "dropped" | null;
  /** Why it ended so; null while it runs. */
  why: string | null;
  /** The gate's verdict. */
  gate: ReasonStatus[];
  /** When the canary was measured last, if ever. */
  measured_at: string | null;
  /** The control and the candidate; none before the first measurement. */
  arms: TrialArmStatus[];
  /** The candidate's reward minus the control's, as a share of that. */
  difference: number | null;
  /** The lower end of its interval. */
  low: number | null;
  /** The upper end of its interval. */
  high: number | null;
  /** Its lists in the background. */
  shadow: ShadowStatus;
}

/** What the gate decided about recent updates. */
export interface UpdatesStatus {
  /** Updates with a verdict. */
  judged: number;
  /** Updates that were published. */
  accepted: number;
}

/** Records that the live weights have not learned from. */
export interface WaitingStatus {
  /** Records in the event log; null while the log does not answer. */
  in_log: number | null;
  /** Records in the journal. */
  in_journal: number;
  /** The latest event time in the journal. */
  newest_event_at: string | null;
}

/** A fact that was withdrawn. */
export interface WithdrawnFact {
  /** What the fact was about. */
  head: string;
  /** The relation. */
  relation: string;
  /** What the head was related to. */
  tail: string;
  /** Always true. */
  withdrawn?: true;
  /** When. A record of a later time states the fact again. */
  at: string;
}

/** Each call's query parameters, body and answer, where it has them. */
export interface Calls {
  "GET /healthz": {
    answer: AliveAnswer;
  };
  "GET /metrics": {
    answer: string;
  };
  "POST /personalizer/{api_version}/events/{event_id}/activate": {
  };
  "POST /personalizer/{api_version}/events/{event_id}/reward": {
    body: RewardRequest;
  };
  "POST /personalizer/{api_version}/multislot/events/{event_id}/activate": {
  };
  "POST /personalizer/{api_version}/multislot/events/{event_id}/reward": {
    body: MultiSlotRewardRequest;
  };
  "POST /personalizer/{api_version}/multislot/rank": {
    body: MultiSlotRankRequest;
    answer: MultiSlotRankResponse;
  };
  "POST /personalizer/{api_version}/rank": {
    body: RankRequest;
    answer: RankResponse;
  };
  "POST /predict": {
    body: PredictionBody;
    answer: PredictionAnswer;
  };
  "GET /readyz": {
    answer: ReadyAnswer;
  };
  "POST /v1/batch": {
    body: TrackBatch | TrackCall | TrackCall[];
    answer: ForeignAnswer;
  };
  "POST /v1/copy": {
    body: CopyBody;
    answer: CopyAnswer;
  };
  "GET /v1/copy/texts": {
    query: { only?: "all" | "rejected" | "edited"; k?: number };
    answer: CopyTextList;
  };
  "GET /v1/copy/texts/{digest}": {
    answer: CopyText;
  };
  "PUT /v1/copy/texts/{digest}": {
    body: CopyDecisionBody;
    answer: CopyDecisionAnswer;
  };
  "DELETE /v1/copy/texts/{digest}": {
    answer: CopyDecisionAnswer;
  };
  "POST /v1/events": {
    query: { key?: string | null };
    body: EventBody | EventBody[];
    answer: RecordsAnswer;
  };
  "POST /v1/events/ga4": {
    query: { measurement_id?: string | null; firebase_app_id?: string | null; api_secret?: string | null };
    body: Ga4Body;
    answer: ForeignAnswer;
  };
  "POST /v1/events/segment": {
    body: TrackBatch | TrackCall | TrackCall[];
    answer: ForeignAnswer;
  };
  "GET /v1/experiments": {
    query: { k?: number };
    answer: ExperimentList;
  };
  "GET /v1/experiments/{name}": {
    answer: ExperimentAnswer;
  };
  "PUT /v1/experiments/{name}": {
    body: ExperimentBody;
    answer: ExperimentAnswer;
  };
  "POST /v1/experiments/{name}/stop": {
    body: StopBody;
    answer: ExperimentAnswer;
  };
  "POST /v1/facts": {
    body: FactBody | FactBody[];
    answer: RecordsAnswer;
  };
  "DELETE /v1/facts": {
    query: { head?: string; relation?: string; tail?: string };
    answer: WithdrawnFact;
  };
  "POST /v1/items": {
    body: ItemBody | ItemBody[];
    answer: RecordsAnswer;
  };
  "GET /v1/items": {
    query: { limit?: number; cursor?: string | null; filter?: string[] | null };
    answer: ItemsPage;
  };
  "GET /v1/items/{item_id}": {
    answer: ItemAnswer;
  };
  "PATCH /v1/items/{item_id}": {
    body: ItemChangeBody;
    answer: ItemAnswer;
  };
  "DELETE /v1/items/{item_id}": {
    answer: DeletedItem;
  };
  "GET /v1/items/{item_id}/similar": {
    query: { k?: number; by?: "taste" | "text" | "both" | "picture" | "facts"; filter?: string[] | null; attributes?: string[] | null; copy?: boolean; language?: "en" | "zh" | null };
    answer: SimilarAnswer;
  };
  "GET /v1/new": {
    query: { k?: number; filter?: string[] | null; attributes?: string[] | null; copy?: boolean; language?: "en" | "zh" | null };
    answer: NewAnswer;
  };
  "POST /v1/operate/pause": {
    body: PauseBody;
    answer: PauseAnswer;
  };
  "POST /v1/operate/promote": {
    body: PromoteBody;
    answer: SwitchAnswer;
  };
  "POST /v1/operate/resume": {
    body: ResumeBody;
    answer: ResumeAnswer;
  };
  "POST /v1/operate/rollback": {
    body: RollbackBody;
    answer: SwitchAnswer;
  };
  "POST /v1/operate/trial": {
    body: TrialBody;
    answer: TrialAnswer;
  };
  "GET /v1/personalizer": {
    answer: PersonalizerStatus;
  };
  "GET /v1/pictures": {
    query: { item_id?: string[] | null };
    answer: PicturesAnswer;
  };
  "GET /v1/placements": {
    answer: PlacementList;
  };
  "GET /v1/placements/{name}": {
    answer: PlacementAnswer;
  };
  "PUT /v1/placements/{name}": {
    body: PlacementBody;
    answer: PlacementAnswer;
  };
  "DELETE /v1/placements/{name}": {
    answer: DeletedPlacement;
  };
  "GET /v1/placements/{name}/changes": {
    query: { k?: number };
    answer: PlacementChanges;
  };
  "GET /v1/popular": {
    query: { k?: number; window?: string | null; filter?: string[] | null; attributes?: string[] | null; copy?: boolean; language?: "en" | "zh" | null };
    answer: PopularAnswer;
  };
  "POST /v1/propensities": {
    body: PropensitiesBody;
    answer: PropensitiesAnswer;
  };
  "POST /v1/recommendations": {
    body: RecommendationBody;
    answer: RankedAnswer | FallbackAnswer;
  };
  "GET /v1/recommendations/{user_id}": {
    query: { k?: number; exclude_seen?: boolean; placement?: string | null; filter?: string[] | null; attributes?: string[] | null; copy?: boolean; language?: "en" | "zh" | null };
    answer: RankedAnswer | FallbackAnswer;
  };
  "GET /v1/release": {
    answer: ReleaseAnswer;
  };
  "GET /v1/search": {
    query: { q?: string; user_id?: string | null; k?: number; filter?: string[] | null; attributes?: string[] | null; copy?: boolean; language?: "en" | "zh" | null };
    answer: SearchAnswer;
  };
  "POST /v1/similar": {
    body: PictureBody;
    answer: LookAlikesAnswer;
  };
  "GET /v1/status": {
    answer: StatusAnswer;
  };
  "POST /v1/track": {
    body: TrackBatch | TrackCall | TrackCall[];
    answer: ForeignAnswer;
  };
  "GET /v1/trending": {
    query: { k?: number; window?: string; filter?: string[] | null; attributes?: string[] | null; copy?: boolean; language?: "en" | "zh" | null };
    answer: TrendingAnswer;
  };
  "DELETE /v1/users/{user_id}": {
    answer: ForgottenUser;
  };
  "GET /v1/users/{user_id}/history": {
    query: { limit?: number; cursor?: string | null };
    answer: HistoryPage;
  };
}
