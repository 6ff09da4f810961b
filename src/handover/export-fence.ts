/**
 * What the exporter of a volume asks before each batch, and at least every 10 s while it exports (design 2.13): whether
 * this node still has the volume. A volume of several nodes is never taken away.
 */
export interface ExportFence {
  /**
   * False: another node has been given the volume, nothing may go onto its paths any more, and what is pending stays
   * here. Rejects when S3 does not answer, and when the signal aborts: nothing is known then.
   */
  mayExport(signal?: AbortSignal): Promise<boolean>;
}
