package spec

// The sections of a service file, innermost first.
var (
	// The reference system reads the id mappings under lower-case names only; OCI writes them with capitals.
	idMappingSection = section{
		title: "an id mapping",
		fields: []known{
			{"containerID", true, "The first id inside of the container.", idNumber},
			{"hostID", true, "The first id on the host.", idNumber},
			{"size", true, "How many ids follow each other.", idNumber},
		},
		also: map[string]string{"containerid": "containerID", "hostid": "hostID"},
	}
	mountSection = section{
		title: "a mount",
		fields: []known{
			{"source", false, "What is mounted: for a bind mount an absolute path on the host, made as a directory where it is " +
				"missing.", plain},
			{"destination", true, "The absolute path inside of the container.", absolute},
			{"type", false, "\"bind\", or a file system such as \"tmpfs\"; not needed where options have bind or rbind.", plain},
			{"options", false, "Mount options, such as rbind, rshared, ro. A bind mount needs bind or rbind.", list(plain)},
			{"uidMappings", false, "OCI user id mappings of the mount.", listOf(idMappingSection)},
			{"gidMappings", false, "OCI group id mappings of the mount.", listOf(idMappingSection)},
		},
		also: map[string]string{"uidmappings": "uidMappings", "gidmappings": "gidMappings"},
		further: shape{
			"if": shape{"anyOf": []shape{
				has("type", shape{"const": "bind"}), has("options", contains("bind")), has("options", contains("rbind")),
			}},
			"then": shape{"allOf": []shape{
				has("source", absolute), {"anyOf": []shape{has("options", contains("bind")), has("options", contains("rbind"))}},
			}},
			"else": needs("type"),
		},
	}
	securitySection = section{
		title: "security",
		fields: []known{
			{"writeableRootfs", false, "Let the service write to its root file system; what it writes is gone at the next start.", boolean},
			{"writeableSysfs", false, "Mount /sys writable.", boolean},
			{"maskedPaths", false, "Paths that are hidden; containerd's where not given, none where empty.", list(absolute)},
			{"readonlyPaths", false, "Paths that are read-only; containerd's where not given, none where empty.", list(absolute)},
			{"rootfsPropagation", false, "Propagation of mounts between host and container; private where not given.",
				among(propagations)},
		},
	}
	containerSection = section{
		title: "container",
		fields: []known{
			{"entrypoint", true, "The program to run, relative to the root file system of the container.", plain},
			{"environment", false, "Environment variables, NAME=value; values are literal.", list(plain.with("pattern", assignmentPattern))},
			{"environmentFile", false, "Absolute path on the host of a file of NAME=value lines; the service waits for it. " +
				"Deprecated: an ExtensionServiceConfig does the same.", absolute},
			{"args", false, "Arguments of the program.", list(word)},
			{"mounts", false, "OCI mounts, in this order.", listOf(mountSection)},
			{"security", false, "What the container may see of the host.", securitySection.shape()},
		},
	}
	dependencySection = section{title: "an item of depends", fields: dependencyFields, oneOf: dependencyNames}
	fileSection       = section{
		title: "a service file",
		fields: []known{
			{"name", true, "The service is ext-<name>; its root file system is the directory of this name.", matching(namePattern.String())},
			{"container", true, "What runs.", containerSection.shape()},
			{"depends", false, "What must be there before the service starts.", listOf(dependencySection)},
			{"restart", true, "What follows when the program ends: always start it again, never, or untilSuccess (until it " +
				"ends without error).", among(restartPolicies)},
			{"logToConsole", false, "Also write what the service prints to the kernel log.", boolean},
			{"extactor", false, "What extactor adds; Talos ignores it.", extactorSection.shape()},
		},
	}
)

var (
	idNumber = whole(0, 1<<32-1)

	dependencyNames  = []string{"service", "path", "network", "time", "configuration"}
	dependencyFields = []known{
		{"service", false, "This service is running, and healthy where it has a health check.", plain},
		{"path", false, "This absolute path exists.", absolute},
		{"network", false, "These checks of the network succeed.", list(among(networkChecks)).with("minItems", 1)},
		{"time", false, "The clock is synchronised.", onlyTrue},
		{"configuration", false, "An ExtensionServiceConfig of the service's name exists.", onlyTrue},
	}
)

// The sections of what extactor adds.
var (
	stopSection = section{
		title: "stop",
		fields: []known{
			{"signal", false, "The signal that asks the program to end.", aSignal.or(DefaultStopSignal)},
			{"timeout", false, "How long it has until SIGKILL.", span.or(spelt(DefaultStopTimeout))},
		},
	}
	healthSection = section{
		title: "health",
		fields: []known{
			{"exec", false, "Command in the container; healthy when it exits with 0.",
				list(word).with("minItems", 1).with("prefixItems", []shape{word.with("minLength", 1)})},
			{"http", false, "URL; healthy when it answers with a status below 400.", matching(urlPattern)},
			{"tcp", false, "host:port; healthy when it accepts a connection.", hostPort},
			{"socket", false, "Absolute path of a unix socket on the host; healthy when it accepts a connection.", socket},
			{"interval", false, "From one check to the next.", span.or(spelt(DefaultHealthInterval))},
			{"timeout", false, "How long one check may take.", span.or(spelt(DefaultHealthTimeout))},
			{"initialDelay", false, "From the start of the program to the first check.", span.or("0s")},
			{"failureThreshold", false, "How many failures in a row make the service unhealthy.",
				whole(1, maxFailures).or(DefaultFailureThreshold)},
			{"onFailure", false, "What follows when it becomes unhealthy: none, or restart.", among(healthFailures).or(HealthFailureNone)},
		},
		oneOf: []string{"exec", "http", "tcp", "socket"},
	}
	resourcesSection = section{
		title: "resources",
		fields: []known{
			{"memory", false, "Most memory: bytes, or with a unit (k, M, G, Ki, Mi, Gi).",
				shape{"type": []string{"string", "integer"}, "pattern": memoryPattern, "minimum": minMemory}},
			{"cpu", false, "Most processor time: 0.5 or 500m is half of one processor.",
				shape{"type": []string{"string", "number"}, "pattern": cpuPattern, "minimum": minCPU, "maximum": maxCPU}},
			{"pids", false, "Most processes and threads.", whole(1, maxPIDs)},
		},
	}
	backoffSection = section{
		title: "backoff",
		fields: []known{
			{"initial", false, "The wait after the first failure; it doubles with each further one.", span.or(spelt(DefaultBackoffInitial))},
			{"max", false, "The longest wait.", span.or(spelt(DefaultBackoffMax))},
			{"resetAfter", false, "A program that ran so long has no failures before it.", span.or(spelt(DefaultBackoffResetAfter))},
		},
	}
	optionsSection = section{
		title: "an item of extactor.depends",
		fields: append(append([]known{}, dependencyFields...),
			known{"until", false, "How far the service must be: up (running and healthy), or completed (ended without error).",
				among(dependencyUntils).or(UntilUp)},
			known{"timeout", false, "How long to wait; for ever where not given.", span},
			known{"onTimeout", false, "What follows then: wait on and say so, skip the service, or fail.",
				among(timeoutActions).or(TimeoutWaits)},
		),
		oneOf: dependencyNames,
		further: shape{
			"anyOf":             []shape{needs("until"), needs("timeout")},
			"dependentRequired": map[string][]string{"until": {"service"}, "onTimeout": {"timeout"}},
		},
	}
	extactorSection = section{
		title: "extactor",
		fields: []known{
			{"stop", false, "How the program is asked to end.", stopSection.shape()},
			{"health", false, "A check of the running program.", healthSection.shape()},
			{"resources", false, "Limits of the container; no limit where not given.", resourcesSection.shape()},
			{"backoff", false, "The wait between a failure and the next start.", backoffSection.shape()},
			{"onConfigChange", false, "What a changed ExtensionServiceConfig does to the running service.",
				among(configChanges).or(ConfigRestarts)},
			{"signal", false, "The signal of onConfigChange: signal.", aSignal.or(DefaultConfigSignal)},
			{"depends", false, "Further demands on items of the service's depends.", listOf(optionsSection)},
		},
		further: shape{"if": needs("signal"), "then": has("onConfigChange", shape{"const": ConfigSignals})},
	}
)

// contains is the shape of a list in which the text stands.
func contains(text string) shape { return shape{"contains": shape{"const": text}} }
