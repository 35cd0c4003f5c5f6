"""The cache hierarchies, from the tables' values."""

from m5.objects import Cache, L2XBar, SnoopFilter, TaggedPrefetcher, TreePLRURP, WriteAllocator

_FIELDS = (
    "size",
    "assoc",
    "tag_latency",
    "data_latency",
    "response_latency",
    "mshrs",
    "tgts_per_mshr",
    "write_buffers",
)


def _cache(params, name, **more):
    return Cache(**{field: params[f"{name}.{field}"] for field in _FIELDS}, **more)


def _with_prefetcher(cache, params):
    cache.replacement_policy = TreePLRURP()
    if params["l1.prefetch_degree"] > 0:
        prefetcher = TaggedPrefetcher(degree=params["l1.prefetch_degree"], queue_size=params["l1.prefetch_queue"])
        prefetcher.on_inst = True
        cache.prefetcher = prefetcher
    return cache


def none(system):
    """Cores straight on the bus: for booting, where only the guest's state counts."""
    for cpu in system.cpu:
        cpu.icache_port = system.membus.cpu_side_ports
        cpu.dcache_port = system.membus.cpu_side_ports
        cpu.mmu.connectWalkerPorts(system.membus.cpu_side_ports, system.membus.cpu_side_ports)


def simple(system, params):
    """Private first level, shared last level; page walks go past the caches, as in vSwarm-u."""
    system.llcbus = L2XBar(width=params["llcbus.width"])
    system.llc = _cache(params, "llc")
    system.llc.cpu_side = system.llcbus.mem_side_ports
    system.llc.mem_side = system.membus.cpu_side_ports
    for cpu in system.cpu:
        cpu.icache = _cache(params, "l1i", is_read_only=True)
        cpu.dcache = _cache(params, "l1d")
        for cache, port in ((cpu.icache, cpu.icache_port), (cpu.dcache, cpu.dcache_port)):
            cache.cpu_side = port
            cache.mem_side = system.llcbus.cpu_side_ports
        cpu.mmu.connectWalkerPorts(system.membus.cpu_side_ports, system.membus.cpu_side_ports)


def skylake(system, params):
    """Private first and second level, a cache for page walks, shared last level."""
    system.llcbus = L2XBar(width=params["llcbus.width"], snoop_filter=SnoopFilter(max_capacity="64MiB"))
    system.llc = _cache(params, "llc")
    system.llc.cpu_side = system.llcbus.mem_side_ports
    system.llc.mem_side = system.membus.cpu_side_ports
    for cpu in system.cpu:
        cpu.l2bus = L2XBar()
        cpu.icache = _with_prefetcher(_cache(params, "l1i", is_read_only=True), params)
        allocator = WriteAllocator(
            coalesce_limit=params["l1d.coalesce_limit"],
            no_allocate_limit=params["l1d.no_allocate_limit"],
            delay_threshold=params["l1d.delay_threshold"],
        )
        cpu.dcache = _with_prefetcher(_cache(params, "l1d", write_allocator=allocator), params)
        cpu.mmucache = _with_prefetcher(_cache(params, "mmucache"), params)
        cpu.mmubus = L2XBar()
        cpu.icache.cpu_side = cpu.icache_port
        cpu.dcache.cpu_side = cpu.dcache_port
        cpu.mmucache.cpu_side = cpu.mmubus.mem_side_ports
        cpu.mmu.connectWalkerPorts(cpu.mmubus.cpu_side_ports, cpu.mmubus.cpu_side_ports)
        for cache in (cpu.icache, cpu.dcache, cpu.mmucache):
            cache.mem_side = cpu.l2bus.cpu_side_ports
        cpu.l2cache = _cache(params, "l2")
        cpu.l2cache.cpu_side = cpu.l2bus.mem_side_ports
        cpu.l2cache.mem_side = system.llcbus.cpu_side_ports
