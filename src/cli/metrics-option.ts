/** The option of every process that shows metrics. */
export const metricsOption = {
  "metrics-listen": {
    value: "[HOST:]PORT",
    help: "address of GET /metrics, on 127.0.0.1 without a host; default: none",
  },
} as const;
