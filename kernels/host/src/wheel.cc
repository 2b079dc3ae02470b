#include "wheel.h"

#include <dlfcn.h>

#include <cstring>

#include "tensorflow/lite/micro/micro_log.h"

namespace arenafit {
namespace host {

// The virtual functions of TFLM's MicroOpResolver. Not in the unnamed namespace: compilers would
// see that nothing here derives from it, and call no function at all.
class OpResolver {
 public:
  virtual const TFLMRegistration* FindOp(int builtin) const = 0;
  virtual const TFLMRegistration* FindOp(const char* custom) const = 0;
  virtual void* GetOpDataParser(int builtin) const = 0;

 protected:
  ~OpResolver() = default;
};

namespace {

Wheel the_wheel = {};
int context_word = -1;

// ---- symbols -------------------------------------------------------------------------------

// How names in TFLM's namespace are mangled: tflite::micro in newer wheels, tflite in older ones.
struct Namespace {
  const char* first;  // where a name begins with it
  const char* again;  // where an argument's type repeats it
};
constexpr Namespace kNamespaces[] = {{"6tflite5micro", "NS0_"}, {"6tflite", "NS_"}};

// `pattern` with each '#' replaced by the namespace and each '@' by its repetition.
void Mangle(const char* pattern, const Namespace& space, char* name, size_t size) {
  size_t length = 0;
  for (; *pattern != '\0'; ++pattern) {
    const char one[] = {*pattern, '\0'};
    const char* piece = *pattern == '#' ? space.first : *pattern == '@' ? space.again : one;
    for (; *piece != '\0' && length + 1 < size; ++piece) {
      name[length++] = *piece;
    }
  }
  name[length] = '\0';
}

// The address of a symbol, whichever namespace the wheel has it in; nullptr: it has none such.
void* Find(void* library, const char* pattern) {
  for (const Namespace& space : kNamespaces) {
    char name[256];
    Mangle(pattern, space, name, sizeof name);
    if (void* address = dlsym(library, name)) {
      return address;
    }
  }
  return nullptr;
}

template <typename Function>
bool Get(void* library, const char* pattern, Function* function) {
  void* address = Find(library, pattern);
  std::memcpy(function, &address, sizeof address);
  return address != nullptr;
}

// ---- the context ---------------------------------------------------------------------------

// Which word of a TfLiteContext points to the MicroContext; -1: unknown. Newer wheels export the
// function that stores it there, and nothing else: have it do so in a block of our own. Older
// ones have none, and one layout.
int ContextWord(void* library) {
  constexpr int kOldWord = 3;
  constexpr int kWords = 64;
  void (*store)(void* self, void** context) = nullptr;
  if (!Get(library, "_ZN#12MicroContext17InitTfLiteContextEP@13TfLiteContextE", &store) &&
      !Get(library, "_ZN#12MicroContext17InitTfLiteContextEPNS_5micro13TfLiteContextE", &store)) {
    return kOldWord;
  }
  void* context[kWords] = {};
  int self = 0;
  store(&self, context);
  for (int word = 0; word < kWords; ++word) {
    if (context[word] == &self) {
      return word;
    }
  }
  return -1;
}

// ---- the resolver --------------------------------------------------------------------------

// How a PythonOpsResolver, which is a MicroMutableOpResolver<200>, begins.
constexpr unsigned kCapacity = 200;
struct ResolverLayout {
  void* vtable;
  TFLMRegistration registrations[kCapacity];
  unsigned length;
};

constexpr int kBuiltinCustom = 32;  // BuiltinOperator_CUSTOM

const TFLMRegistration* FindOp(const Resolver* resolver, const TFLMRegistration& which) {
  const auto* finder = reinterpret_cast<const OpResolver*>(resolver);
  return which.builtin_code == kBuiltinCustom && which.custom_name != nullptr
             ? finder->FindOp(which.custom_name)
             : finder->FindOp(which.builtin_code);
}

// Does the resolver itself find its first and last operator where the layout has them? Nothing
// is followed before its place is known to be right.
bool IsKnownLayout(const Resolver* resolver) {
  const auto* layout = reinterpret_cast<const ResolverLayout*>(resolver);
  const unsigned length = layout->length;
  if (length < 2 || length > kCapacity) {
    return false;
  }
  const TFLMRegistration& first = layout->registrations[0];
  const auto* finder = reinterpret_cast<const OpResolver*>(resolver);
  if (finder->FindOp(first.builtin_code) != &first) {
    return false;
  }
  const TFLMRegistration& last = layout->registrations[length - 1];
  return FindOp(resolver, last) == &last;
}

}  // namespace

bool AddCustom(Resolver* resolver, const char* name, const TFLMRegistration& registration) {
  if (!IsKnownLayout(resolver)) {
    MicroPrintf("arenafit: the layout of this wheel's operator resolver is not known");
    return false;
  }
  auto* layout = reinterpret_cast<ResolverLayout*>(resolver);
  if (reinterpret_cast<const OpResolver*>(resolver)->FindOp(name) != nullptr) {
    MicroPrintf("arenafit: %s is registered twice", name);
    return false;
  }
  if (layout->length == kCapacity) {
    MicroPrintf("arenafit: no room for %s in the operator resolver", name);
    return false;
  }
  TFLMRegistration& added = layout->registrations[layout->length++];
  added = registration;
  added.builtin_code = kBuiltinCustom;
  added.custom_name = name;
  if (FindOp(resolver, added) != &added) {
    --layout->length;
    MicroPrintf("arenafit: the operator resolver does not find %s", name);
    return false;
  }
  return true;
}

const char* Open(void* library) {
  Wheel& w = the_wheel;
  const bool complete =
      Get(library, "_ZN#14MicroAllocator6CreateEPhmP@18MicroMemoryPlannerE", &w.create_allocator) &&
      Get(library, "_ZNK#14MicroAllocator10used_bytesEv", &w.used_bytes) &&
      Get(library, "_ZN#22MicroResourceVariables6CreateEP@14MicroAllocatorEi",
          &w.create_variables) &&
      Get(library, "_ZN6tflite17PythonOpsResolverC1Ev", &w.construct_resolver) &&
      Get(library,
          "_ZN#16MicroInterpreterC1EPKNS_5ModelERK@15MicroOpResolverEP@14MicroAllocatorEP@22"
          "MicroResourceVariablesEP@22MicroProfilerInterfaceE",
          &w.construct_interpreter) &&
      Get(library, "_ZN#16MicroInterpreterD1Ev", &w.destroy_interpreter) &&
      Get(library, "_ZN#16MicroInterpreter15AllocateTensorsEv", &w.allocate_tensors) &&
      Get(library, "_ZN#16MicroInterpreter6InvokeEv", &w.invoke) &&
      Get(library, "_ZN#16MicroInterpreter5ResetEv", &w.reset) &&
      Get(library, "_ZN#16MicroInterpreter5inputEm", &w.input) &&
      Get(library, "_ZN#16MicroInterpreter6outputEm", &w.output);
  if (!complete) {
    return "it does not export what arenafit calls";
  }
  context_word = ContextWord(library);
  return context_word < 0 ? "the layout of its TfLiteContext is not known" : nullptr;
}

const Wheel& TheWheel() { return the_wheel; }

}  // namespace host
}  // namespace arenafit

namespace tflite {
namespace micro {

MicroContext* GetMicroContext(const TfLiteContext* context) {
  const auto* words = reinterpret_cast<void* const*>(context);
  return static_cast<MicroContext*>(words[arenafit::host::context_word]);
}

}  // namespace micro
}  // namespace tflite
