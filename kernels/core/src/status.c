#include "arenafit/status.h"

const char* arenafit_status_text(arenafit_status status) {
  switch (status) {
    case ARENAFIT_OK:
      return "ok";
    case ARENAFIT_BAD_OPTIONS:
      return "unknown options";
    case ARENAFIT_BAD_SHAPE:
      return "shapes do not fit";
    case ARENAFIT_BAD_WINDOW:
      return "filter, stride or padding out of range";
    case ARENAFIT_BAD_CLAMP:
      return "activation range out of order";
    case ARENAFIT_BAD_OVERLAP:
      return "unsafe overlap of input and output";
  }
  return "unknown status";
}
