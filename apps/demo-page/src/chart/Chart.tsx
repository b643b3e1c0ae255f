import { useEffect, useRef } from 'react'
import Plot from 'uplot'
import { timeOfDay } from '../ui/format.js'
import { SPAN_SECONDS } from './rates.js'

const HEIGHT = 170

/** The shortest time that the chart spans. */
const LEAST_SECONDS = 60

/** A line of a chart: its name, the custom property with its color, and its values. */
export interface Line {
  name: string
  color: string
  values: ReadonlyArray<number | null>
  stepped?: boolean
}

interface ChartProps {
  times: readonly number[]
  lines: readonly Line[]
  /** Says what the chart shows. */
  label: string
}

/** Lines over the last minutes. */
export function Chart ({ times, lines, label }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<Plot | null>(null)
  const shape = useRef(lines)
  const now = times.at(-1)

  useEffect(() => {
    const element = place.current as HTMLDivElement
    const chart = new Plot(options(element, shape.current), [[], ...shape.current.map(() => [])], element)
    plot.current = chart
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      chart.destroy()
      plot.current = null
    }
  }, [])

  useEffect(() => {
    const chart = plot.current
    if (chart === null || now === undefined) return
    chart.batch(() => {
      chart.setData([[...times], ...lines.map(({ values }) => [...values])], false)
      chart.setScale('x', { min: Math.min(now - LEAST_SECONDS, Math.max(now - SPAN_SECONDS, times[0] ?? 0)), max: now })
      // With the colors of the current theme.
      chart.redraw(false, true)
    })
  })
  return <div className='chart' role='img' aria-label={label} ref={place} />
}

function options (element: HTMLElement, lines: readonly Line[]): Plot.Options {
  // Read at each drawing, since the theme may change.
  const color = (name: string) => () => getComputedStyle(element).getPropertyValue(name)
  const axis = { stroke: color('--chart-text'), grid: { stroke: color('--chart-grid'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, auto: false },
      y: { range: (_plot, _min, max) => [0, Math.max(4, Math.ceil((max ?? 0) * 1.25))] }
    },
    axes: [
      { ...axis, size: 28, space: 80, values: (_plot, splits) => splits.map(seconds => timeOfDay(seconds * 1_000)), incrs: [15, 30, 60, 120] },
      { ...axis, size: 36, space: 26, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000] }
    ],
    series: [
      {},
      ...lines.map(({ name, color: property, stepped }) => ({
        label: name,
        stroke: color(property),
        width: 2,
        points: { show: false },
        ...(stepped === true && Plot.paths.stepped !== undefined && { paths: Plot.paths.stepped({ align: 1 }) })
      }))
    ]
  }
}
