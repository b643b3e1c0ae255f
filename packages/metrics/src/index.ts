export { createMetrics, type Metrics, type MetricsOptions } from './metrics.js'
export type { MetricsSources } from './sources.js'
