declare const brand: unique symbol;

/** A `Base` that only the parser or factory for `Name` makes, so that identifiers of two kinds cannot be mixed. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };
