"""What can be known to go wrong before anything is sent: one rule for each code."""

from azureml_deploy.preflight.rule import Rule, Situation
from azureml_deploy.preflight.rules import RULES, check, explain, rule_of

__all__ = ["RULES", "Rule", "Situation", "check", "explain", "rule_of"]
