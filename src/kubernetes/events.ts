/** An object of the cluster that an event is about. */
export interface ObjectReference {
  readonly kind: "Pod" | "PersistentVolumeClaim" | "PersistentVolume";
  /** Absent for a PersistentVolume, which has none. */
  readonly namespace?: string;
  readonly name: string;
  /** `kubectl describe` shows only events with it; absent: it is asked for. */
  readonly uid?: string;
}

/** Why there is an event; docs/metrics.md tells users what each means. */
export const eventReasons = [
  "SharedAcrossNodes",
  "WaitingForOtherNode",
  "ChangesPending",
  "ChangesKeptOnNode",
  "VolumeReleased",
  "VolumeArchived",
] as const;

/** Something that users of an object should know. */
export interface ClusterEvent {
  readonly object: ObjectReference;
  readonly type: "Normal" | "Warning";
  readonly reason: (typeof eventReasons)[number];
  /** Names the volume and the cause; holds no secret. */
  readonly message: string;
}

/** Takes events, and never fails or delays its caller: what cannot be said is in the log. */
export interface Events {
  emit(event: ClusterEvent): void;
}

/** Where there is no cluster. */
export const noEvents: Events = { emit: () => undefined };
