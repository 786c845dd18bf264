/**
 * A collector of OpenTelemetry metrics: OTLP/HTTP in JSON (opentelemetry.io/docs/specs/otlp).
 *
 * @module
 */

/** A series of a metric, as it was exported last. */
export interface Series {
  /** The metric's name. */
  readonly name: string;
  /** Its unit. */
  readonly unit: string;
  /** Its attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  /** A counter's value, or how many values a histogram has. */
  readonly value: number;
  /** The sum of a histogram's values. */
  readonly sum?: number;
}

interface Point {
  readonly attributes: readonly {
    readonly key: string;
    readonly value: { readonly stringValue: string };
  }[];
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly count?: number | string;
  readonly sum?: number;
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

/** Receives metrics on a free port. */
export class Collector implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #series = new Map<string, Series>();
  /** How often something was exported, from whatever process. */
  exports = 0;

  /** @param slowness How long it takes to answer, in milliseconds. */
  constructor(slowness = 0) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        this.#take(await request.json());
        await new Promise((resolve) => setTimeout(resolve, slowness));
        return Response.json({});
      },
    );
  }

  /** Words before a command line that has it export here, once in so long and at its end. */
  through(interval = 3_600_000): string[] {
    return [
      "/usr/bin/env",
      "OTEL_DENO=true",
      "OTEL_SERVICE_NAME=test",
      "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
      `OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${this.#server.addr.port}`,
      `OTEL_METRIC_EXPORT_INTERVAL=${interval}`,
    ];
  }

  /** The series of a metric of ours, as they were exported last. */
  of(name: string): Series[] {
    return [...this.#series.values()].filter((one) =>
      one.name === `mpserv.${name}`
    );
  }

  /** The values of a metric by one of its attributes. */
  by(name: string, attribute: string): Record<string, number> {
    return Object.fromEntries(
      this.of(name).map((
        { attributes, value },
      ) => [attributes[attribute], value]),
    );
  }

  /** The sum of a metric's series. */
  total(name: string): number {
    return this.of(name).reduce((sum, { value }) => sum + value, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #take(
    { resourceMetrics = [] }: {
      resourceMetrics?: { scopeMetrics: { metrics: Metric[] }[] }[];
    },
  ): void {
    this.exports++;
    const metrics = resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap(({ metrics }) => metrics)
    );
    for (const { name, unit, sum, histogram } of metrics) {
      for (const point of (sum ?? histogram)?.dataPoints ?? []) {
        const attributes = Object.fromEntries(
          point.attributes.map(({ key, value }) => [key, value.stringValue]),
        );
        const value = Number(point.asInt ?? point.asDouble ?? point.count);
        const key = JSON.stringify([name, Object.entries(attributes).sort()]);
        this.#series.set(key, {
          name,
          unit,
          attributes,
          value,
          ...point.sum === undefined ? {} : { sum: point.sum },
        });
      }
    }
  }
}
