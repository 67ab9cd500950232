"""The types behind Docker's `inspect`, `info`, `version` and `events`: which fields a template may ask for, and what is
there when JSON leaves a field out.

    Name:type, or Name=JsonName:type where the two differ
    string bool int time any     X, a struct of this table     *X, which may be nil     []X     {}X, a map
    {Port}X, a map whose keys are no text to Go, so that a template has to ask the JSON for one of them

See  github.com/moby/moby api/types, as of Docker 28
"""

from __future__ import annotations

from minirun.cli import units
from minirun.cli.gotemplate import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TYPES = {
    "Empty": "",
    "Container": """
        ID=Id:string Created:string Path:string Args:[]string State:*State Image:string ResolvConfPath:string
        HostnamePath:string HostsPath:string LogPath:string Name:string RestartCount:int Driver:string Platform:string
        MountLabel:string ProcessLabel:string AppArmorProfile:string ExecIDs:[]string HostConfig:*HostConfig
        GraphDriver:GraphDriver SizeRw:*int SizeRootFs:*int Mounts:[]MountPoint Config:*Config
        NetworkSettings:*NetworkSettings ImageManifestDescriptor:*any""",
    "State": """
        Status:string Running:bool Paused:bool Restarting:bool OOMKilled:bool Dead:bool Pid:int ExitCode:int
        Error:string StartedAt:string FinishedAt:string Health:*Health""",
    "Health": "Status:string FailingStreak:int Log:[]*HealthResult",
    "HealthResult": "Start:string End:string ExitCode:int Output:string",
    "GraphDriver": "Data:{}string Name:string",
    "MountPoint": """
        Type:string Name:string Source:string Destination:string Driver:string Mode:string RW:bool
        Propagation:string""",
    "Config": """
        Hostname:string Domainname:string User:string AttachStdin:bool AttachStdout:bool AttachStderr:bool
        ExposedPorts:{Port}Empty Tty:bool OpenStdin:bool StdinOnce:bool Env:[]string Cmd:[]string
        Healthcheck:*Healthcheck ArgsEscaped:bool Image:string Volumes:{}Empty WorkingDir:string Entrypoint:[]string
        NetworkDisabled:bool MacAddress:string OnBuild:[]string Labels:{}string StopSignal:string StopTimeout:*int
        Shell:[]string""",
    "Healthcheck": "Test:[]string Interval:int Timeout:int StartPeriod:int StartInterval:int Retries:int",
    "HostConfig": """
        Binds:[]string ContainerIDFile:string LogConfig:LogConfig NetworkMode:string PortBindings:{Port}[]PortBinding
        RestartPolicy:RestartPolicy AutoRemove:bool VolumeDriver:string VolumesFrom:[]string ConsoleSize:[]int
        Annotations:{}string CapAdd:[]string CapDrop:[]string CgroupnsMode:string DNS=Dns:[]string
        DNSOptions=DnsOptions:[]string DNSSearch=DnsSearch:[]string ExtraHosts:[]string GroupAdd:[]string
        IpcMode:string Cgroup:string Links:[]string OomScoreAdj:int PidMode:string Privileged:bool
        PublishAllPorts:bool ReadonlyRootfs:bool SecurityOpt:[]string StorageOpt:{}string Tmpfs:{}string
        UTSMode:string UsernsMode:string ShmSize:int Sysctls:{}string Runtime:string Isolation:string
        CPUShares=CpuShares:int Memory:int NanoCPUs=NanoCpus:int CgroupParent:string BlkioWeight:int
        BlkioWeightDevice:[]*WeightDevice BlkioDeviceReadBps:[]*ThrottleDevice BlkioDeviceWriteBps:[]*ThrottleDevice
        BlkioDeviceReadIOps:[]*ThrottleDevice BlkioDeviceWriteIOps:[]*ThrottleDevice CPUPeriod=CpuPeriod:int
        CPUQuota=CpuQuota:int CPURealtimePeriod=CpuRealtimePeriod:int CPURealtimeRuntime=CpuRealtimeRuntime:int
        CpusetCpus:string CpusetMems:string Devices:[]DeviceMapping DeviceCgroupRules:[]string
        DeviceRequests:[]DeviceRequest KernelMemory:int KernelMemoryTCP:int MemoryReservation:int MemorySwap:int
        MemorySwappiness:*int OomKillDisable:*bool PidsLimit:*int Ulimits:[]*Ulimit CPUCount=CpuCount:int
        CPUPercent=CpuPercent:int IOMaximumIOps:int IOMaximumBandwidth:int Mounts:[]Mount MaskedPaths:[]string
        ReadonlyPaths:[]string Init:*bool""",
    "LogConfig": "Type:string Config:{}string",
    "PortBinding": "HostIP=HostIp:string HostPort:string",
    "RestartPolicy": "Name:string MaximumRetryCount:int",
    "WeightDevice": "Path:string Weight:int",
    "ThrottleDevice": "Path:string Rate:int",
    "DeviceMapping": "PathOnHost:string PathInContainer:string CgroupPermissions:string",
    "DeviceRequest": "Driver:string Count:int DeviceIDs:[]string Capabilities:[][]string Options:{}string",
    "Ulimit": "Name:string Hard:int Soft:int",
    "Mount": """
        Type:string Source:string Target:string ReadOnly:bool Consistency:string BindOptions:*BindOptions
        VolumeOptions:*VolumeOptions ImageOptions:*ImageOptions TmpfsOptions:*TmpfsOptions
        ClusterOptions:*Empty""",
    "BindOptions": """
        Propagation:string NonRecursive:bool CreateMountpoint:bool ReadOnlyNonRecursive:bool
        ReadOnlyForceRecursive:bool""",
    "VolumeOptions": "NoCopy:bool Labels:{}string Subpath:string DriverConfig:*Driver",
    "ImageOptions": "Subpath:string",
    "TmpfsOptions": "SizeBytes:int Mode:int Options:[][]string",
    "Driver": "Name:string Options:{}string",
    "NetworkSettings": """
        Bridge:string SandboxID:string SandboxKey:string Ports:{Port}[]PortBinding HairpinMode:bool
        LinkLocalIPv6Address:string LinkLocalIPv6PrefixLen:int SecondaryIPAddresses:[]Address
        SecondaryIPv6Addresses:[]Address EndpointID:string Gateway:string GlobalIPv6Address:string
        GlobalIPv6PrefixLen:int IPAddress:string IPPrefixLen:int IPv6Gateway:string MacAddress:string
        Networks:{}*Endpoint""",
    "Address": "Addr:string PrefixLen:int",
    "Endpoint": """
        IPAMConfig:*EndpointIPAM Links:[]string Aliases:[]string MacAddress:string DriverOpts:{}string GwPriority:int
        NetworkID:string EndpointID:string Gateway:string IPAddress:string IPPrefixLen:int IPv6Gateway:string
        GlobalIPv6Address:string GlobalIPv6PrefixLen:int DNSNames:[]string""",
    "EndpointIPAM": "IPv4Address:string IPv6Address:string LinkLocalIPs:[]string",
    "Image": """
        ID=Id:string RepoTags:[]string RepoDigests:[]string Parent:string Comment:string Created:string
        DockerVersion:string Author:string Config:*Config Architecture:string Variant:string Os:string
        OsVersion:string Size:int VirtualSize:int GraphDriver:GraphDriver RootFS:RootFS Metadata:Metadata
        Descriptor:*any Manifests:[]any Container:string ContainerConfig:*Config""",
    "RootFS": "Type:string Layers:[]string",
    "Metadata": "LastTagTime:time",
    "Network": """
        Name:string ID=Id:string Created:time Scope:string Driver:string EnableIPv4:bool EnableIPv6:bool IPAM:IPAM
        Internal:bool Attachable:bool Ingress:bool ConfigFrom:ConfigFrom ConfigOnly:bool Containers:{}NetworkMember
        Options:{}string Labels:{}string Peers:[]any Services:{}any""",
    "IPAM": "Driver:string Options:{}string Config:[]IPAMConfig",
    "IPAMConfig": "Subnet:string IPRange:string Gateway:string AuxAddress=AuxiliaryAddresses:{}string",
    "ConfigFrom": "Network:string",
    "NetworkMember": "Name:string EndpointID:string MacAddress:string IPv4Address:string IPv6Address:string",
    "Volume": """
        ClusterVolume:*Empty CreatedAt:string Driver:string Labels:{}string Mountpoint:string Name:string
        Options:{}string Scope:string Status:{}any UsageData:*UsageData""",
    "UsageData": "RefCount:int Size:int",
    "Info": """
        ID:string Containers:int ContainersRunning:int ContainersPaused:int ContainersStopped:int Images:int
        Driver:string DriverStatus:[][]string SystemStatus:[][]string Plugins:Plugins MemoryLimit:bool SwapLimit:bool
        KernelMemory:bool KernelMemoryTCP:bool CPUCfsPeriod=CpuCfsPeriod:bool CPUCfsQuota=CpuCfsQuota:bool
        CPUShares:bool CPUSet:bool PidsLimit:bool IPv4Forwarding:bool BridgeNfIptables:bool BridgeNfIP6tables:bool
        Debug:bool NFd:int OomKillDisable:bool NGoroutines:int SystemTime:string LoggingDriver:string
        CgroupDriver:string CgroupVersion:string NEventsListener:int KernelVersion:string OperatingSystem:string
        OSVersion:string OSType:string Architecture:string IndexServerAddress:string RegistryConfig:*Registries
        NCPU:int MemTotal:int GenericResources:[]any DockerRootDir:string HTTPProxy=HttpProxy:string
        HTTPSProxy=HttpsProxy:string NoProxy:string Name:string Labels:[]string ExperimentalBuild:bool
        ServerVersion:string ClusterStore:string ClusterAdvertise:string Runtimes:{}Runtime DefaultRuntime:string
        Swarm:Swarm LiveRestoreEnabled:bool Isolation:string InitBinary:string ContainerdCommit:Commit
        RuncCommit:Commit InitCommit:Commit SecurityOptions:[]string ProductLicense:string
        DefaultAddressPools:[]Pool FirewallBackend:*Firewall CDISpecDirs:[]string DiscoveredDevices:[]any
        Containerd:*any Warnings:[]string ServerErrors:[]string ClientInfo:ClientInfo ClientErrors:[]string""",
    "ClientInfo": """
        Debug:bool Platform:*Platform Version:string APIVersion=ApiVersion:string DefaultAPIVersion:string
        GitCommit:string GoVersion:string Os:string Arch:string BuildTime:string Context:string Plugins:[]any
        Warnings:[]string""",
    "Plugins": "Volume:[]string Network:[]string Authorization:[]string Log:[]string",
    "Registries": """
        AllowNondistributableArtifactsCIDRs:[]string AllowNondistributableArtifactsHostnames:[]string
        InsecureRegistryCIDRs:[]string InsecureRegistries:[]string IndexConfigs:{}*Index Mirrors:[]string""",
    "Index": "Name:string Mirrors:[]string Secure:bool Official:bool",
    "Runtime": "Path=path:string Args=runtimeArgs:[]string Type:string Options:{}any Status=status:{}string",
    "Swarm": """
        NodeID:string NodeAddr:string LocalNodeState:string ControlAvailable:bool Error:string RemoteManagers:[]any
        Nodes:int Managers:int Cluster:*any Warnings:[]string""",
    "Commit": "ID:string Expected:string",
    "Pool": "Base:string Size:int",
    "Firewall": "Driver:string Info:[][]string",
    "Version": "Client:Client Server:*Server",
    "Client": """
        Platform:*Platform Version:string APIVersion=ApiVersion:string DefaultAPIVersion:string GitCommit:string
        GoVersion:string Os:string Arch:string BuildTime:string Context:string Experimental:bool""",
    "Server": """
        Platform:Platform Components:[]Component Version:string APIVersion=ApiVersion:string MinAPIVersion:string
        GitCommit:string GoVersion:string Os:string Arch:string KernelVersion:string Experimental:bool
        BuildTime:string""",
    "Platform": "Name:string",
    "Component": "Name:string Version:string Details:{}string",
    "Event": """
        Status=status:string ID=id:string From=from:string Type:string Action:string Actor:Actor Scope=scope:string
        Time=time:int TimeNano=timeNano:int""",
    "Actor": "ID:string Attributes:{}string",
}
_TELLING = {"HostConfig": "Container", "RootFS": "Image", "IPAM": "Network", "Mountpoint": "Volume"}
_ZEROS: dict[str, Any] = {"string": "", "bool": False, "int": 0, "any": None}


def inspected(facts: dict[str, Any]) -> str:
    """The type of what `inspect` has found, by a field that no other has."""
    return next(name for field, name in _TELLING.items() if field in facts)


def typed(facts: Any, name: str) -> Any:
    """What JSON has, as a value of the type `name`.  A fact that the type has no field for becomes one more."""
    if name.startswith("*"):
        return values.NIL_POINTER if facts is None else values.Pointer(typed(facts, name[1:]))
    if name.startswith("[]"):
        return values.NIL_SLICE if facts is None else [typed(one, name[2:]) for one in facts]
    if name.startswith("{}"):
        return values.NIL_MAP if facts is None else _map(facts, name[2:])
    if name.startswith("{Port}"):
        return values.NIL_MAP if facts is None else _map(facts, name.removeprefix("{Port}"), is_closed=True)
    if name == "time":
        written = facts or "0001-01-01T00:00:00Z"
        return values.Time(units.exactly(written), written)
    if name in _ZEROS:
        return _ZEROS[name] if facts is None else values.typeless(facts)
    return _struct(facts or {}, name)


def _map(facts: dict[str, Any], element: str, *, is_closed: bool = False) -> values.Map:
    items = {key: typed(value, element) for key, value in facts.items()}
    return values.Map(items, zero=typed(None, element), is_closed=is_closed)


def _struct(facts: dict[str, Any], name: str) -> values.Struct:
    fields, names = {}, {}
    for field in TYPES[name].split():
        go_name, _, kind = field.partition(":")
        go_name, _, json_name = go_name.partition("=")
        names[json_name or go_name] = go_name
        fields[go_name] = typed(facts.get(json_name or go_name), kind)
    for json_name in facts:
        if names.setdefault(json_name, json_name) not in fields:
            fields[json_name] = values.typeless(facts[json_name])
    return values.Struct(fields, {json_name: names[json_name] for json_name in facts})
