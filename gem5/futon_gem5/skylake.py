"""The out-of-order core with Skylake's measures: the values of vSwarm-u's `SklTunedCPU` (gem5utils/systems/skylake/core.py
at f86e74c), which are those of darchr's calibrated Skylake configuration."""

import m5.objects
from m5.objects import LTAGE, LTAGE_TAGE, FUDesc, FUPool, OpDesc, SimpleIndirectPredictor, X86O3CPU

# Latencies of pipelined operations that several ports share.
_FLOAT = {"FloatAdd": 4, "FloatCmp": 4, "FloatCvt": 4, "FloatMult": 4, "FloatMultAcc": 5}
_FLOAT_DIV = {"FloatDiv": 12, "FloatSqrt": 24}
_SIMD = ["SimdAdd", "SimdAddAcc", "SimdAlu", "SimdCmp", "SimdShift", "SimdShiftAcc", "SimdReduceAdd", "SimdReduceAlu"]
_SIMD_REDUCE_CMP = ["SimdReduceCmp"]
_SIMD_LONG = {"SimdCvt": 3, "SimdMult": 4, "SimdMultAcc": 4}
_SIMD_FLOAT = {
    "SimdFloatAdd": 4,
    "SimdFloatAlu": 4,
    "SimdFloatCmp": 4,
    "SimdFloatReduceAdd": 4,
    "SimdFloatReduceCmp": 4,
}
_SIMD_FLOAT_LONG = {"SimdFloatCvt": 4, "SimdFloatMult": 4, "SimdFloatMultAcc": 4}
_SIMD_FLOAT_DIV = {"SimdFloatDiv": 12, "SimdFloatSqrt": 20}


def _unit(count, *groups):
    """A port: groups are lists (latency 1) or tables of latencies."""
    operations = []
    for group in groups:
        latencies = group if isinstance(group, dict) else dict.fromkeys(group, 1)
        operations += [OpDesc(opClass=name, opLat=latency, pipelined=True) for name, latency in latencies.items()]
    return FUDesc(opList=operations, count=count)


def _units():
    simd_all = (_SIMD, _SIMD_REDUCE_CMP, _SIMD_LONG, ["SimdMisc"])
    return FUPool(
        FUList=[
            _unit(
                1,
                {"IntAlu": 1, "IntDiv": 2},
                _FLOAT_DIV,
                _FLOAT,
                *simd_all,
                _SIMD_FLOAT,
                _SIMD_FLOAT_LONG,
                _SIMD_FLOAT_DIV,
            ),
            _unit(1, {"IntAlu": 1, "IntMult": 2}, _FLOAT, *simd_all, _SIMD_FLOAT, _SIMD_FLOAT_LONG),
            _unit(12, ["MemRead", "FloatMemRead"]),
            _unit(1, ["MemRead", "FloatMemRead"]),
            _unit(12, ["MemWrite", "FloatMemWrite"]),
            _unit(1, ["IntAlu"], _SIMD, _SIMD_REDUCE_CMP, ["SimdMisc"], _SIMD_FLOAT),
            _unit(3, ["IntAlu"], _SIMD[:6]),
            _unit(1, ["MemWrite", "FloatMemWrite"]),
        ]
    )


def _tage():
    return LTAGE_TAGE(
        nHistoryTables=12,
        minHist=4,
        maxHist=34,
        tagTableTagWidths=[0, 7, 7, 8, 8, 9, 10, 11, 12, 12, 13, 14, 15],
        logTagTableSizes=[14, 10, 10, 11, 11, 11, 11, 10, 10, 10, 10, 9, 9],
        logUResetPeriod=19,
    )


def _branch_predictor():
    indirect = SimpleIndirectPredictor(
        indirectSets=128,
        indirectWays=4,
        indirectTagSize=16,
        indirectPathLength=7,
        indirectGHRBits=16,
    )
    direction = LTAGE(tage=_tage())
    if hasattr(m5.objects, "ConditionalPredictor"):
        # Later versions keep direction and targets in objects of their own.
        return m5.objects.BranchPredictor(conditionalBranchPred=direction, indirectBranchPred=indirect)
    direction.indirectBranchPred = indirect
    return direction


class SkylakeO3CPU(X86O3CPU):
    """Named in config.ini by its type, X86O3CPU, with these values."""

    fetchToDecodeDelay = 3
    decodeToRenameDelay = 1
    renameToIEWDelay = 9
    issueToExecuteDelay = 1
    iewToCommitDelay = 6
    forwardComSize = 19
    backComSize = 19

    fetchWidth = 8
    decodeWidth = 8
    renameWidth = 12
    issueWidth = 8
    dispatchWidth = 8
    wbWidth = 8
    commitWidth = 8
    squashWidth = 12

    fetchBufferSize = 16
    fetchQueueSize = 64
    numROBEntries = 336
    numIQEntries = 146
    LQEntries = 144
    SQEntries = 112
    numPhysIntRegs = 270
    numPhysFloatRegs = 252


def core(cpu_id):
    return SkylakeO3CPU(cpu_id=cpu_id, branchPred=_branch_predictor(), fuPool=_units())
