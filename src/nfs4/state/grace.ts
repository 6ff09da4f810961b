/**
 * Whether state of an earlier life of the server may be reclaimed (RFC 8881 §8.4.2, §8.4.3). In node scope never: over a
 * restart of the process nothing is forgotten, and over a reboot of the machine the only client died too.
 */
export interface Grace {
  /** Reclaims are accepted, and new state is not. */
  readonly isActive: boolean;
}

/** The node scope's: there is no grace period. */
export const noGrace: Grace = { isActive: false };
