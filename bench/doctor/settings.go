package doctor

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// Codes of the findings about how the host is made and set. docs/doctor.md
// explains each.
const (
	CodeCPUs       = "cpus"           // who runs where
	CodeQuota      = "cpu-quota"      // the control group's share of CPU time
	CodeVirtual    = "virtual"        // somebody else's machine below
	CodeClock      = "clock"          // what tells the time
	CodeGovernor   = "governor"       // what sets the clock rate
	CodeKernel     = "kernel"         // old ones lack what pacing needs
	CodeMemory     = "memory"         // and swap
	CodeOpenFiles  = "open-files"     // bounds connections
	CodePorts      = "ports"          // likewise
	CodeBacklog    = "somaxconn"      // bounds connections not yet accepted
	CodeTimeWait   = "tcp-tw-reuse"   // whether a port can be used again soon
	CodeCongestion = "tcp-congestion" // whether TCP itself paces
	CodeIOUring    = "io-uring"       // who may use it
	CodeVariables  = "go-environment" // settings that reach every Go server
)

type limits = meter.Limits

// Bounds of the findings about settings.
const (
	fewFiles     = 300       // 256 connections, the most of a built-in scenario, and some
	manyFiles    = 10_064    // ten thousand and some
	fewPorts     = 10_000    // between one pair of addresses
	shortBacklog = 1024      // connections that come at once
	littleMemory = 512 << 20 // bytes that can be had
)

// trusted are clock sources that are read without a system call, or with a
// cheap one.
var trusted = []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource", "xen"}

// slow are clock sources whose reading takes a microsecond or more.
var slow = []string{"hpet", "acpi_pm", "jiffies", "pit"}

func (j *judgement) settings(f facts) {
	j.cpus(f)
	j.virtual(f)
	j.clock(f)
	j.kernel(f)
	j.memory(f)
	j.network(f)
	if len(f.env.Variables) > 0 {
		j.word(results.LevelNote, CodeVariables, strings.Join(f.env.Variables, " "),
			"These reach the generator and every Go server alike, and make them unlike what their users run.", "unset them, unless they are what is asked about", "")
	}
}

func (j *judgement) cpus(f facts) {
	e := f.env
	server, generator := cpus(e.ServerCPUs), cpus(e.GeneratorCPUs)
	text := server + " | " + generator
	switch {
	case e.CPUsShared:
		j.word(results.LevelNote, CodeCPUs, "shared", "Server and generator run on the same CPUs and take them from each other.",
			"a machine with two CPUs or more", "server and generator share CPUs: compare CPU per request only")
	case e.CPUsOneCore:
		j.word(results.LevelNote, CodeCPUs, text, "The CPUs of server and generator are siblings on one core and slow each other down.",
			"a machine with two cores or more", "server and generator share a core: compare CPU per request only")
	case len(e.ServerCPUs) == 1:
		j.word(results.LevelOK, CodeCPUs, text, "The server and the generator have a CPU each; what an engine does with several does not show.", "", "")
	default:
		j.word(results.LevelOK, CodeCPUs, text, "The server and the generator have CPUs of their own.", "", "")
	}
	if q := f.limits.QuotaCPUs; q > 0 {
		level, hint, limit := results.LevelOK, "", ""
		if used := len(e.ServerCPUs) + len(e.GeneratorCPUs); q < float64(used) {
			level, hint = results.LevelProblem, fmt.Sprintf("give the container %d CPUs or no limit (cpu.max), or fewer --server-cpus and --generator-cpus", used)
		}
		j.figure(level, CodeQuota, q, "cpus", "The control group gets the time of this many CPUs; beyond it processes are stopped in the middle of a window.", hint, limit)
	}
}

func (j *judgement) virtual(f facts) {
	if v := f.env.Virtual; v != "" {
		j.word(results.LevelNote, CodeVirtual, v, "The machine is a virtual one: neighbours that nobody sees take caches and time.", "compare targets within one run only", "")
	} else {
		j.word(results.LevelOK, CodeVirtual, "none", "No hypervisor is known of.", "", "")
	}
	level, message, hint := results.LevelOK, "The clock rate is not this system's to set.", ""
	text := f.env.Governor
	switch {
	case text == "performance":
		message = "The clock rate stays high."
	case text != "":
		level, message, hint = results.LevelNote, "The clock rate follows the load, and is not that of a busy server at a low rate.", "cpupower frequency-set -g performance"
	default:
		text = "none"
	}
	if f.limits.Turbo == "on" {
		level, message = results.LevelNote, message+" Turbo is on: it also follows heat and how many cores are busy."
		hint = strings.TrimPrefix(hint+"; turn turbo off for the steadiest figures", "; ")
	}
	j.word(level, CodeGovernor, text, message, hint, "")
}

func (j *judgement) clock(f facts) {
	source := f.env.ClockSource
	switch {
	case source == "":
		j.word(results.LevelNote, CodeClock, "unknown", "The system does not say what tells the time.", "", "")
	case contains(trusted, source):
		j.word(results.LevelOK, CodeClock, source, "Reading the time costs some tens of nanoseconds.", "", "")
	case contains(slow, source):
		j.word(results.LevelProblem, CodeClock, source, "Reading the time takes a microsecond or more, and three times are taken for each request.",
			"see why the kernel gave up its better source (dmesg, clocksource); boot with clocksource=tsc if the hardware keeps it steady", "")
	default:
		j.word(results.LevelNote, CodeClock, source, "This source of time is not known to dyno.", "", "")
	}
}

func (j *judgement) kernel(f facts) {
	if f.env.OS != "linux" || f.env.Kernel == "" {
		return
	}
	if !atLeast(f.env.Kernel, 5, 11) {
		j.word(results.LevelNote, CodeKernel, f.env.Kernel, "Before 5.11 a thread can only wait for whole milliseconds (no epoll_pwait2).", "a newer kernel", "open loops are paced in milliseconds")
		return
	}
	j.word(results.LevelOK, CodeKernel, f.env.Kernel, "It has what pacing below a millisecond needs (epoll_pwait2).", "", "")
}

// atLeast tells whether a kernel's release is that version or a later one.
func atLeast(release string, major, minor int) bool {
	a, rest, _ := strings.Cut(release, ".")
	b := strings.FieldsFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	x, err := strconv.Atoi(a)
	if err != nil || len(b) == 0 {
		return true // not a number: nothing is known against it
	}
	y, _ := strconv.Atoi(b[0])
	return x > major || x == major && y >= minor
}

func (j *judgement) memory(f facts) {
	l := f.limits
	free := l.FreeBytes
	if free == 0 {
		return
	}
	switch {
	case free < littleMemory:
		j.figure(results.LevelNote, CodeMemory, float64(free), "bytes", "With this little memory free many connections or a big server may not fit.", "end what else runs here", "")
	case l.SwapUsedBytes > 0:
		j.figure(results.LevelNote, CodeMemory, float64(free), "bytes", fmt.Sprintf("This much memory is free, and yet %s are swapped out: a page that comes back from disk takes milliseconds.", format.Bytes(l.SwapUsedBytes)), "swapoff -a, if memory is enough", "")
	default:
		j.figure(results.LevelOK, CodeMemory, float64(free), "bytes", "This much memory is free, and nothing is swapped out.", "", "")
	}
}

func (j *judgement) network(f facts) {
	if files := f.env.OpenFiles; files > 0 {
		hard := ""
		if f.limits.OpenFilesHard > files {
			hard = fmt.Sprintf(" (the limit can be raised to %s)", format.Count(int64(f.limits.OpenFilesHard)))
		}
		message := "A process may have this many connections and files open" + hard + "."
		hint := "ulimit -n " + strconv.Itoa(1<<16)
		switch {
		case files < fewFiles:
			j.figure(results.LevelProblem, CodeOpenFiles, float64(files), "count", message, hint, "")
		case files < manyFiles:
			j.figure(results.LevelNote, CodeOpenFiles, float64(files), "count", message, hint, fmt.Sprintf("at most some %s connections", format.Significant(float64(files)*0.9, 1)))
		default:
			j.figure(results.LevelOK, CodeOpenFiles, float64(files), "count", message, "", "")
		}
	}
	if first, last := f.limits.FirstPort, f.limits.LastPort; last >= first && first > 0 {
		n := last - first + 1
		message := fmt.Sprintf("A client has this many ports for one address of a server (%d to %d).", first, last)
		if n < fewPorts {
			j.figure(results.LevelNote, CodePorts, float64(n), "count", message, "sysctl -w net.ipv4.ip_local_port_range='1024 65535'", fmt.Sprintf("at most %s connections, or new ones a minute", format.Count(int64(n))))
		} else {
			j.figure(results.LevelOK, CodePorts, float64(n), "count", message, "", "")
		}
	}
	if n := f.env.SoMaxConn; n > 0 {
		message := "At most this many connections may wait to be accepted, whatever a server asks for."
		if n < shortBacklog {
			j.figure(results.LevelNote, CodeBacklog, float64(n), "count", message, "sysctl -w net.core.somaxconn=4096", fmt.Sprintf("more than %s connections at once are refused or delayed", format.Count(int64(n))))
		} else {
			j.figure(results.LevelOK, CodeBacklog, float64(n), "count", message, "", "")
		}
	}
	if reuse := f.limits.TimeWaitReuse; reuse == "0" {
		j.word(results.LevelNote, CodeTimeWait, "off", "The port of a closed connection rests for a minute: a connection for each request uses the ports up.", "sysctl -w net.ipv4.tcp_tw_reuse=2", "")
	} else if reuse != "" {
		j.word(results.LevelOK, CodeTimeWait, reuse, "The ports of closed connections can be used again on loopback.", "", "")
	}
	if cc := f.limits.CongestionControl; cc == "bbr" {
		j.word(results.LevelNote, CodeCongestion, cc, "TCP spaces out what it sends by its own idea of the path: long answers take longer and cost a timer.", "sysctl -w net.ipv4.tcp_congestion_control=cubic, for answers of many KiB", "")
	} else if cc != "" {
		j.word(results.LevelOK, CodeCongestion, cc, "TCP sends on loopback as fast as the reader reads.", "", "")
	}
	switch v := f.limits.IOUringDisabled; v {
	case "":
	case "0":
		j.word(results.LevelOK, CodeIOUring, "allowed", "The generator uses it, at up to half the CPU that epoll costs, and servers may.", "", "")
	default:
		j.word(results.LevelNote, CodeIOUring, "restricted", "The generator falls back on epoll, which costs it more CPU; servers that use io_uring cannot.", "sysctl -w kernel.io_uring_disabled=0", "")
	}
}

func cpus(set []int) string {
	if len(set) == 0 {
		return "any"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(set), " ", ","), "[]")
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
