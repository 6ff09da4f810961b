/** Specs that are left out, each with its reason; everything else of the suite runs. */
export const excluded: readonly { readonly name: string; readonly because: string }[] = [
  {
    name: "should provision storage with any volume data source",
    because: "tests the populator machinery, which runs images that are pulled from a registry",
  },
];

/**
 * One spec of each suite that has something to show about this driver and needs neither SSH nor a second node: each
 * must pass. A part of the spec's full name.
 */
export const part: readonly string[] = [
  "[Testpattern: Dynamic PV (default fs)] volumes should store data",
  "[Testpattern: Dynamic PV (default fs)] volumeIO should write files of various sizes",
  "[Testpattern: Dynamic PV (filesystem volmode)] volumeMode should not mount / map unused volumes",
  "[Testpattern: Dynamic PV (default fs)] subPath should support existing single file",
  "[Testpattern: Dynamic PV (default fs)] provisioning should provision storage with mount options",
  "[Testpattern: Dynamic PV (filesystem volmode)] multiVolume [Slow] should concurrently access the single volume from pods on the same node",
  "[Testpattern: Dynamic PV (default fs)] volume-stress multiple pods should access different volumes repeatedly",
  "[Testpattern: Dynamic PV (default fs)] fsgroupchangepolicy (Always)[LinuxOnly], pod created with an initial fsgroup, new pod fsgroup applied",
  "[Testpattern: Generic Ephemeral-volume (default fs) (late-binding)] ephemeral should create read/write inline ephemeral volume",
  "[Testpattern: Dynamic PV (default fs)] read-write-once-pod should block a second pod",
];

/** Kubernetes 1.36.1 has 330 specs for this definition; far fewer mean that not all was built or read. */
export const leastListed = 320;

/** Specs that ran, whatever their outcome, in the last whole run on the local cluster; 0 before the first. */
export const leastRun = 0;
