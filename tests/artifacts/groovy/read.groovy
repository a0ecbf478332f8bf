// Evaluates Jenkinsfiles as Groovy and prints what they say as JSON: a tree of calls, each with its arguments, what it
// sets and the calls in its block. Arguments: the parameters' values as JSON, then the files.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration

class Call {
  final String name
  final List arguments
  final Map sets = [:]
  final List<Call> calls = []
  Object value

  Call(String name, List arguments) {
    this.name = name
    this.arguments = arguments
  }

  Map asMap() {
    [name: name, arguments: arguments.collect { plain(it) }, sets: sets.collectEntries { k, v -> [k, plain(v)] },
     calls: calls*.asMap(), value: plain(value)]
  }

  static Object plain(Object value) {
    switch (value) {
      case GString: return [interpolated: value.toString()]
      case Call: return value.asMap()
      case List: return value.collect { plain(it) }
      case Map: return value.collectEntries { k, v -> [k, plain(v)] }
      case String: case Number: case Boolean: case null: return value
      default: return null
    }
  }
}

// What every name in a Jenkinsfile means: a call is noted, its block evaluated; a bare word is itself.
class Reader {
  final Call root = new Call('', [])
  private Call current = root
  private final Map values

  Reader(Map values) { this.values = values }

  Object methodMissing(String name, Object given) {
    List arguments = (given as Object[]).toList()
    Closure block = arguments && arguments[-1] instanceof Closure ? arguments.removeLast() as Closure : null
    Call call = new Call(name, arguments)
    // a call among the arguments was noted already, as if it stood by itself
    current.calls.removeAll { Call noted -> arguments.flatten().any { it.is(noted) } }
    current.calls << call
    if (block) {
      Call outer = current
      current = call
      block.delegate = this
      block.resolveStrategy = Closure.DELEGATE_FIRST
      Object value = block()
      call.value = value instanceof Boolean ? value : null
      current = outer
    }
    call
  }

  Object propertyMissing(String name) { values.containsKey(name) ? values[name] : name }

  void propertyMissing(String name, Object value) { current.sets[name] = value }
}

Map values = [params: new JsonSlurper().parseText(args[0]), env: [:]]
CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: DelegatingScript.name)
println JsonOutput.toJson(args.drop(1).collectEntries { String file ->
  Reader reader = new Reader(values)
  DelegatingScript script = new GroovyShell(configuration).parse(new File(file)) as DelegatingScript
  script.setDelegate(reader)
  script.run()
  [file, reader.root.asMap()]
})
