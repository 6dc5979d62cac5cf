// The one place that names the version.
/** Version of this software, as its peers and the command line say it. */
export const VERSION = 'viaduct 0.1.0';
