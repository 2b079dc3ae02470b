#include "arenafit/plan.h"

const char* arenafit_plan_message(arenafit_plan_status status) {
  switch (status) {
    case ARENAFIT_PLAN_OK:
      return "sound";
    case ARENAFIT_PLAN_FORMAT:
      return "not a plan of this version, or not aligned";
    case ARENAFIT_PLAN_TRUNCATED:
      return "truncated: its size is not what its counts say";
    case ARENAFIT_PLAN_CHECKSUM:
      return "damaged: wrong checksum";
    case ARENAFIT_PLAN_BOUNDS:
      return "an offset is past the arena, or not aligned";
    case ARENAFIT_PLAN_UNDECLARED:
      return "live buffers overlap without being declared to";
    case ARENAFIT_PLAN_UNUSED:
      return "an overlap is declared of buffers that share nothing";
    case ARENAFIT_PLAN_OTHER_MODEL:
      return "a tensor has another size or lifetime than planned";
    case ARENAFIT_PLAN_SCRATCH_SIZE:
      return "a scratch buffer is larger than planned";
    case ARENAFIT_PLAN_SCRATCH_OTHER:
      return "other scratch buffers than planned";
  }
  return "?";
}
