// CodeNarc's rules for the Jenkinsfiles.
ruleset {
  ruleset('rulesets/basic.xml')
  ruleset('rulesets/formatting.xml') {
    Indentation {
      spacesPerIndentLevel = 2
    }
    SpaceAroundMapEntryColon {
      characterAfterColonRegex = /\s/
    }
  }
  ruleset('rulesets/groovyism.xml')
  ruleset('rulesets/imports.xml')
  ruleset('rulesets/jenkins.xml')
  ruleset('rulesets/security.xml')
  ruleset('rulesets/unnecessary.xml')
  ruleset('rulesets/unused.xml')
}
